# Graphs.  libgvc is opened at run time by the drawing process: headers only.
pkg_check_modules(GVC REQUIRED libgvc)
find_library(GVC_FILE gvc HINTS ${GVC_LIBRARY_DIRS} REQUIRED)
file(REAL_PATH ${GVC_FILE} gvc_file)
string(REGEX MATCH "libgvc\\.so\\.[0-9]+" gvc_soname "${gvc_file}")
set_source_files_properties(graph/draw_child.c PROPERTIES
	COMPILE_DEFINITIONS "PYMEM_GVC_SONAME=\"${gvc_soname}\"")
list(APPEND VIEWER_SOURCES
	graph/build.c graph/treemap.c graph/dot.c graph/draw.c graph/draw_ahead.c graph/draw_child.c
	graph/command.c graph/graph_kind.c)
