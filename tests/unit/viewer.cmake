# The viewer's unit tests.
pymem_unit(viewer_dominators SOURCES viewer_dominators.c LIBS pymem_viewer)
include(viewer_screen.cmake)
