# The assistant's tool.  Included by viewer/CMakeLists.txt.
pymem_find_library(pymem_jansson jansson)
list(APPEND VIEWER_SOURCES mcp/tool.c mcp/argument.c mcp/reply.c mcp/server.c mcp/capturer.c)
