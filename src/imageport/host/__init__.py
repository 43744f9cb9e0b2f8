"""What this computer gives: folders, tools, locks. Standard library only."""
