# The walk once more, reading an image of memory instead of its own (agent/base/peek.h).
list(TRANSFORM AGENT_WALK PREPEND ${PROJECT_SOURCE_DIR}/agent/ OUTPUT_VARIABLE agent_walk_files)
add_library(agent_walk_image STATIC ${agent_walk_files}
	${PROJECT_SOURCE_DIR}/agent/base/peek_image.c)
target_compile_definitions(agent_walk_image PUBLIC PEEK_IMAGE PRIVATE PYMEM_INVARIANTS)
target_compile_options(agent_walk_image PRIVATE -U_FORTIFY_SOURCE)
target_include_directories(agent_walk_image PRIVATE ${FFI_INCLUDE_DIR})
target_link_libraries(agent_walk_image PRIVATE pymem_flags PUBLIC ${FFI_PIC_ARCHIVE})

pymem_unit(agent_life SOURCES agent_life.c LIBS agent_core)
pymem_unit(agent_lines SOURCES agent_lines.c LIBS agent_core)
pymem_unit(agent_hash SOURCES agent_hash.c LIBS agent_core)
pymem_unit(agent_probe_expr SOURCES agent_probe_expr.c LIBS agent_core)
pymem_unit(agent_marks SOURCES agent_marks.c LIBS agent_core)
pymem_unit(agent_pages SOURCES agent_pages.c LIBS agent_core)
pymem_unit(agent_tables SOURCES agent_tables.c LIBS agent_core)
pymem_unit(agent_cpython SOURCES agent_cpython.c LIBS agent_core)
pymem_unit(agent_relay SOURCES agent_relay.c LIBS agent_core formats_events)
pymem_unit(agent_image SOURCES agent_image.c LIBS agent_walk_image)
