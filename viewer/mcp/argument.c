/* SPDX-License-Identifier: MIT */
/* argument - see argument.h. */
#include "viewer/mcp/argument.h"

#include <assert.h>
#include <string.h>

/* ---- schema ---- */

static json_t *argument_property(const struct argument *a)
{
	const bool number = a->kind == ARGUMENT_NUMBER;
	json_t *property = json_pack("{s:s, s:s}", "type", number ? "integer" : "string",
				     "description", a->description);

	if (number) {
		json_object_set_new(property, "minimum", json_integer(a->least));
		json_object_set_new(property, "maximum", json_integer(a->most));
	}
	if (a->kind == ARGUMENT_CHOICE) {
		json_t *choices = json_array();

		for (size_t i = 0; a->choices[i]; i++)
			json_array_append_new(choices, json_string(a->choices[i]));
		json_object_set_new(property, "enum", choices);
	}
	return property;
}

json_t *argument_schema(const struct argument *const *list)
{
	json_t *properties = json_object(), *required = json_array();

	for (size_t i = 0; list[i]; i++) {
		json_object_set_new(properties, list[i]->name,
				    argument_property(list[i]));
		if (list[i]->required)
			json_array_append_new(required, json_string(list[i]->name));
	}
	return json_pack("{s:s, s:o, s:o, s:b}", "type", "object", "properties",
			 properties, "required", required, "additionalProperties", 0);
}

/* ---- what is given ---- */

/* False: no whole number, or one that no argument takes.  5.0 is one, as in a schema. */
static bool argument_whole(const json_t *value, json_int_t *ret)
{
	const double real = json_real_value(value);

	if (json_is_integer(value)) {
		*ret = json_integer_value(value);
		return true;
	}
	if (!json_is_real(value) || !(real > -9e15 && real < 9e15))
		return false;
	*ret = (json_int_t)real;
	return (double)*ret == real;
}

/* As the tables read one (query/relation). */
static bool argument_is_address(const char *text)
{
	const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *const digits = hex ? text + 2 : text;
	const size_t n = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");

	return n && n <= (hex ? 16 : 19) && !digits[n];
}

static bool argument_fits(const struct argument *a, const json_t *value)
{
	const char *const text = json_string_value(value);
	json_int_t number;

	switch (a->kind) {
	case ARGUMENT_NUMBER:
		return argument_whole(value, &number) && number >= a->least &&
			number <= a->most;
	case ARGUMENT_ADDRESS:
		return text && argument_is_address(text);
	case ARGUMENT_CHOICE:
		for (size_t i = 0; text && a->choices[i]; i++)
			if (!strcmp(a->choices[i], text))
				return true;
		return false;
	default:
		return text != NULL;
	}
}

static void argument_say(const struct argument *a, struct text *out)
{
	switch (a->kind) {
	case ARGUMENT_NUMBER:
		text_printf(out,
			    "%s must be a whole number from %" JSON_INTEGER_FORMAT
			    " to %" JSON_INTEGER_FORMAT,
			    a->name, a->least, a->most);
		break;
	case ARGUMENT_ADDRESS:
		text_printf(out, "%s must be text, an address %s", a->name,
			    a->description);
		break;
	case ARGUMENT_CHOICE:
		text_printf(out, "%s must be one of", a->name);
		for (size_t i = 0; a->choices[i]; i++)
			text_printf(out, "%s %s", i ? "," : "", a->choices[i]);
		break;
	default:
		text_printf(out, "%s must be text: %s", a->name, a->description);
	}
}

static void argument_say_unknown(const struct argument *const *list, const char *tool,
				 const char *name, struct text *out)
{
	text_printf(out, "%s takes no argument \"", tool);
	text_escape(out, name, strlen(name), 60, '"');
	text_add(out, "\"; there are:");
	for (size_t i = 0; list[i]; i++)
		text_printf(out, "%s %s", i ? "," : "", list[i]->name);
}

bool argument_check(const struct argument *const *list, const char *tool,
		    const json_t *given, struct text *out)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)given, name, value)
	{
		size_t i = 0;

		while (list[i] && strcmp(list[i]->name, name))
			i++;
		if (!list[i])
			argument_say_unknown(list, tool, name, out);
		else if (json_is_null(value) || argument_fits(list[i], value))
			continue;
		else
			argument_say(list[i], out);
		return false;
	}
	for (size_t i = 0; list[i]; i++) {
		value = json_object_get(given, list[i]->name);
		if (!list[i]->required || (value && !json_is_null(value)))
			continue;
		text_printf(out, "%s needs the argument %s: %s", tool, list[i]->name,
			    list[i]->description);
		return false;
	}
	return true;
}

const char *argument_text(const json_t *given, const char *name)
{
	return json_string_value(json_object_get(given, name));
}

json_int_t argument_number(const json_t *given, const char *name, json_int_t otherwise)
{
	const json_t *const value = json_object_get(given, name);
	json_int_t number = otherwise;

	if (value && !json_is_null(value)) {
		const bool whole = argument_whole(value, &number);

		assert(whole);
		(void)whole;
	}
	return number;
}
