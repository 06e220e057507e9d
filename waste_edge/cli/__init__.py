"""The command line: one verb a file. A verb imports its room when it is called, never before."""
