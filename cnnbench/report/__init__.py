"""Reports as text, Markdown, CSV, JSON, HTML and plots."""
