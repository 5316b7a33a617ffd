"""Where and when: the schedule, the server of workers, and the run's folder."""
