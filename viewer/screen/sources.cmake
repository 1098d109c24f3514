# The screens.
list(APPEND VIEWER_SOURCES
	screen/glyph.c screen/style.c screen/surface.c screen/keys.c
	screen/terminal_curses.c screen/terminal_script.c screen/terminal_wait.c
	screen/grid.c screen/grid_draw.c screen/rank.c screen/fold.c screen/prompt.c
	screen/app.c screen/app_event.c screen/app_frame.c screen/app_graph.c
	screen/command.c screen/page.c screen/live_pages.c screen/budget_bar.c
	screen/icicle.c screen/pictures.c screen/view_overview.c screen/view_report.c screen/view_reports.c
	screen/view_instances.c screen/view_object.c screen/object_head.c screen/object_list.c screen/view_tree.c
	screen/view_stream.c screen/view_growth.c screen/view_help.c screen/view_sql.c)
