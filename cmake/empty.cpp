// Gives a folder without sources something to archive.
