# The assistant's tool.  Included by viewer/CMakeLists.txt.
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
list(APPEND VIEWER_SOURCES mcp/tool.c mcp/server.c)
