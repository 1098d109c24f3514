# The page, and the program and style in it.
list(APPEND VIEWER_SOURCES
	html/html.c html/html_part.c html/html_suspect.c html/html_budget.c html/markup.c html/sheet.c
	html/card.c html/chart.c html/chart_write.c ${CMAKE_CURRENT_BINARY_DIR}/page_data.c)
add_custom_command(OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/page_data.c
	COMMAND ${CMAKE_COMMAND} -DSTYLE=${CMAKE_CURRENT_SOURCE_DIR}/html/page.css
		-DSCRIPT=${CMAKE_CURRENT_SOURCE_DIR}/html/page.js
		-DOUT=${CMAKE_CURRENT_BINARY_DIR}/page_data.c -P ${CMAKE_CURRENT_SOURCE_DIR}/html/embed.cmake
	DEPENDS html/page.css html/page.js html/embed.cmake
	COMMENT "Making C of the page's style and script")
