"""Pictures as PDF, EPS and PNG files."""
