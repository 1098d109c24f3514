# What many processes send to one place.  Included by viewer/CMakeLists.txt.
list(APPEND VIEWER_SOURCES fleet/summary.c fleet/metrics.c fleet/merge.c)
