# Unit tests of formats/.
add_library(formats_events STATIC formats_events.c)
target_link_libraries(formats_events PUBLIC pymem_formats PkgConfig::CMOCKA
	PRIVATE pymem_flags pymem_sanitize)

foreach(module bytes damage index print rights roundtrip writer)
	pymem_unit(formats_${module} SOURCES formats_${module}.c LIBS formats_events)
endforeach()
