# Graphs.  libgvc is opened at run time by the drawing process: headers only.
pkg_check_modules(GVC REQUIRED libgvc)
list(APPEND VIEWER_SOURCES
	graph/build.c graph/treemap.c graph/dot.c graph/draw.c graph/draw_child.c
	graph/command.c)
