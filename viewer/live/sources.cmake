# Streams that arrive while one looks.
list(APPEND VIEWER_SOURCES
	live/tap.c live/feed.c live/history.c live/record.c live/saved.c live/follow_text.c)
