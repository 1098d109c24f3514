# The viewer's unit tests.
pymem_unit(viewer_dominators SOURCES viewer_dominators.c LIBS pymem_viewer)
pymem_unit(viewer_heap SOURCES viewer_heap.c LIBS pymem_viewer)
pymem_unit(viewer_analyses SOURCES viewer_analyses.c LIBS pymem_viewer)
pymem_unit(viewer_text SOURCES viewer_text.c LIBS pymem_viewer)
pymem_unit(viewer_name SOURCES viewer_name.c LIBS pymem_viewer)
pymem_unit(viewer_graft SOURCES viewer_graft.c LIBS pymem_viewer)
include(viewer_screen.cmake)
