"""Host projects that tests copy out of the source tree, to install `jobs` there from its wheel."""
