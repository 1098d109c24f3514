# Documents: formats for other programs that need the analysis.
pymem_find_library(pymem_zlib zlib)
list(APPEND VIEWER_SOURCES
	document/heapsnapshot.c document/chrome_name.c document/stable_id.c
	document/profile.c document/profile_sites.c document/subject.c document/protobuf.c document/gzip.c document/pprof.c document/stacks.c)
