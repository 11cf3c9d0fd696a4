static const char *result_name(struct text *to, long result)
{
	if (result >= 0)
		text_add(to, "success");
	else
		text_add_errno(to, -result);
	return to->data;
}

static void print_call(const char *call, long expected, long seen)
{
	TEXT(expected_name, 24);
	TEXT(seen_name, 24);

	printf("  %-20s expected %s, seen %s\n", call, result_name(&expected_name, expected),
	       result_name(&seen_name, seen));
}

static void state_call(struct outcome *outcome, const char *call, const char *note)
{
	struct text to_call = { outcome->call, sizeof(outcome->call), 0 };
	struct text to_note = { outcome->note, sizeof(outcome->note), 0 };

	text_add(&to_call, call);
	text_add(&to_note, note);
}

/* True when `result` is an error, which is then the outcome. */
static int failed(struct outcome *outcome, const char *call, long result)
{
	print_call(call, 0, result);
	if (result >= 0)
		return 0;
	state_call(outcome, call, "");
	outcome->error = -result;
	outcome->state = NOT_OK;
	return 1;
}

static void passed(struct outcome *outcome)
{
	outcome->state = OK;
}

static void skipped(struct outcome *outcome, const char *why)
{
	state_call(outcome, "", why);
	outcome->state = SKIPPED;
}

/* The call must be refused with `error`; anything else is the failure. */
static void refused(struct outcome *outcome, const char *call, long result, long error)
{
	print_call(call, -error, result);
	state_call(outcome, call, "");
	outcome->error = result < 0 ? -result : 0;
	outcome->state = result == -error ? OK : NOT_OK;
}

static void wrong(struct outcome *outcome, const char *call, const char *note)
{
	state_call(outcome, call, note);
	outcome->state = NOT_OK;
}
