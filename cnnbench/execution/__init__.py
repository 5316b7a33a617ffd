"""Running the jobs of a plan: executors, scheduler, runner, and the folder of a run."""
