/* SPDX-License-Identifier: MIT */
/*
 * html_suspect - in sentences: how much, of what, held by whom (html_suspect.h).
 */
#include "viewer/html/html_suspect.h"

#include "viewer/html/markup.h"
#include "viewer/name/name.h"
#include "viewer/report/cause.h"
#include "viewer/report/suspect_text.h"
#include "viewer/text/human.h"

enum { NAME_WIDTH = 160, MOST = 12 };

static void html_suspect_link(struct text *out, const struct analysis *a, uint32_t node,
			      const struct card_set *cards)
{
	struct text name = { 0 };
	bool card = card_set_has(cards, node);

	name_short(&name, a, node, NAME_WIDTH);
	if (card) {
		text_add(out, "<a href=\"#");
		card_id(out, cards, node);
		text_add(out, "\">");
	}
	markup_element(out, "code", text_get(&name));
	text_add(out, card ? "</a>" : "");
	text_free(&name);
}

/* "12,000 Session, 30.3 MiB together" */
static void html_suspect_members(struct text *out, const struct heap *heap,
				 const struct suspect *s)
{
	char count[HUMAN_SIZE], size[HUMAN_SIZE];
	struct text type = { 0 };

	name_type(&type, heap, s->member_type);
	text_printf(out, "%s ", human_count(count, s->member_count));
	markup_element(out, "code", text_get(&type));
	text_printf(out, " (%s%s)", human_bytes_u64(size, s->member_retained),
		    s->member_count > 1 ? " together" : "");
	text_free(&type);
}

static void html_suspect_sentence(struct text *out, const struct analysis *a,
				  const struct suspect *s, const struct card_set *cards)
{
	const uint32_t node = suspect_node(s);
	const bool members = s->member_type && s->member_count;
	struct text kind = { 0 };

	if (node == HEAP_NONE) { /* no object holds it */
		suspect_text(&kind, a, s);
		markup_add(out, text_get(&kind));
		text_add(out, ". ");
		text_free(&kind);
		return;
	}
	name_kind(&kind, a->heap, node, 60);
	if (s->frames) {
		text_add(out, "Local variables of one function hold it, ");
		html_suspect_members(out, a->heap, s);
		text_add(out, "; the largest is ");
		html_suspect_link(out, a, node, cards);
	} else if (s->point == HEAP_NONE) {
		html_suspect_members(out, a->heap, s);
		text_add(out, " have no holder in common; the largest is ");
		html_suspect_link(out, a, node, cards);
	} else {
		html_suspect_link(out, a, node, cards);
		if (text_len(&kind)) {
			text_add(out, ", a ");
			markup_add(out, text_get(&kind));
			text_add(out, ",");
		}
		if (s->holder != HEAP_NONE)
			text_add(out,
				 members ? " leads to it; others share it:" :
					   " leads to it; others share it");
		else
			text_add(out,
				 members && s->member_count > 1 ? " keeps alive" :
								  " keeps it alive");
		if (members) {
			text_add(out,
				 s->chain		     ? " a chain of " :
					 s->member_count > 1 ? " " :
							       "; the largest part is ");
			html_suspect_members(out, a->heap, s);
		}
	}
	text_add(out, ". ");
	text_free(&kind);
}

/* From where it is reached, what usually causes it, what to do. */
static void html_suspect_why(struct text *out, const struct analysis *a,
			     const struct suspect *s)
{
	const struct cause *cause = cause_of(a, s);
	struct text reached = { 0 };

	cause_reached(&reached, a, s);
	if (text_len(&reached)) {
		text_add(out, "It is reached from ");
		markup_add(out, text_get(&reached));
		text_add(out, ". ");
	}
	text_free(&reached);
	text_add(out, "</p><p>Usual cause: ");
	markup_add(out, cause->usual);
	text_add(out, ".</p><p>What to do: ");
	markup_add(out, cause->remedy);
	text_add(out, ".");
}

static void html_suspect_one(struct text *out, const struct analysis *a,
			     const struct suspect *s, size_t number,
			     struct card_set *cards)
{
	char size[HUMAN_SIZE], share[HUMAN_SIZE];
	const double ratio = suspect_share(a, s);

	card_set_add(cards, suspect_node(s));
	if (s->point != HEAP_NONE)
		card_set_add(cards, s->point);
	text_add(out,
		 s->usual ? "<article class=usual><h4><span class=rank>usual" :
			    "<article><h4><span class=rank>");
	if (!s->usual) /* those come first */
		text_printf(out, "%zu", number);
	text_printf(out,
		    "</span> %s <span class=size>%s"
		    "</span></h4><svg class=share viewBox=\"0 0 100 4\" "
		    "preserveAspectRatio=none role=img aria-label=\"share\"><rect "
		    "class=track width=100 height=4 /><rect class=bar width=%.2f "
		    "height=4 /></svg><p>",
		    human_bytes_u64(size, s->retained), human_share(share, ratio),
		    ratio > 1 ? 100 : 100 * ratio);
	html_suspect_sentence(out, a, s, cards);
	html_suspect_why(out, a, s);
	text_add(out, "</p></article>\n");
}

int html_suspect_add(struct text *out, const struct analysis *a,
		     const struct vec *suspects, struct card_set *cards)
{
	size_t count = VEC_COUNT(*suspects, struct suspect);
	char buf[HUMAN_SIZE];

	for (size_t i = 0; i < count && i < MOST; i++)
		html_suspect_one(out, a, VEC(*suspects, struct suspect) + i, i + 1,
				 cards);
	if (count > MOST)
		text_printf(out, "<p class=note>and %s smaller ones</p>",
			    human_count(buf, count - MOST));
	if (!count) {
		struct text words = { 0 };

		text_printf(out, "<p>No suspects: %s.</p>",
			    suspect_none(&words, a->heap));
		text_free(&words);
	}
	return out->err;
}
