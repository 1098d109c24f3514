# Documents: formats for other programs that need the analysis.
list(APPEND VIEWER_SOURCES
	document/heapsnapshot.c document/chrome_name.c document/stable_id.c)
