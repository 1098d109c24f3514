# SQL over the model.  Included by viewer/CMakeLists.txt.
pymem_find_library(pymem_sqlite3 sqlite3>=3.40)
list(APPEND VIEWER_SOURCES
	query/indexed.c query/stage.c query/typed.c query/sources.c query/relation.c query/relations.c query/node.c query/relation_object.c
	query/relation_ref.c query/relation_attribute.c query/relation_root.c query/relation_lists.c
	query/relation_walk.c query/relation_report.c query/relation_growth.c query/relation_site.c
	query/engine.c query/answer.c query/shell.c query/gate.c query/dump.c query/dump_file.c
	query/apart.c query/graft.c)
