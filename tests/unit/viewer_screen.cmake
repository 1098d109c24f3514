# The screens', streams' and graphs' unit tests.
pymem_unit(viewer_surface SOURCES viewer_surface.c LIBS pymem_viewer)
pymem_unit(viewer_grid SOURCES viewer_grid.c LIBS pymem_viewer)
pymem_unit(viewer_fold SOURCES viewer_fold.c LIBS pymem_viewer)
pymem_unit(viewer_feed SOURCES viewer_feed.c LIBS pymem_viewer)
pymem_unit(viewer_history SOURCES viewer_history.c LIBS pymem_viewer)
pymem_unit(viewer_draw SOURCES viewer_draw.c LIBS pymem_viewer)
pymem_unit(viewer_wait SOURCES viewer_wait.c LIBS pymem_viewer)
