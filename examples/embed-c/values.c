#include "values.h"

#include <errno.h>
#include <string.h>

typedef wasmtime_component_val_t value;

/* -------------------------------------------------------------------- arguments */

value text_value(struct policy_text text)
{
    value made = {.kind = WASMTIME_COMPONENT_STRING};
    wasm_byte_vec_new(&made.of.string, text.size, text.data);
    return made;
}

static value u32_value(uint32_t number)
{
    return (value){.kind = WASMTIME_COMPONENT_U32, .of.u32 = number};
}

static value u64_value(uint64_t number)
{
    return (value){.kind = WASMTIME_COMPONENT_U64, .of.u64 = number};
}

/* A list whose elements are to be set. */
static value list_value(size_t size)
{
    value made = {.kind = WASMTIME_COMPONENT_LIST};
    wasmtime_component_vallist_new_uninit(&made.of.list, size);
    return made;
}

static value bytes_value(struct policy_text bytes)
{
    value made = list_value(bytes.size);
    for (size_t i = 0; i < bytes.size; i++)
        made.of.list.data[i] =
            (value){.kind = WASMTIME_COMPONENT_U8, .of.u8 = (uint8_t)bytes.data[i]};
    return made;
}

struct field {
    const char *name;
    value value;
};

/* The order of the fields has to be that of the contract. */
static value record_value(const struct field *fields, size_t count)
{
    value made = {.kind = WASMTIME_COMPONENT_RECORD};
    wasmtime_component_valrecord_new_uninit(&made.of.record, count);
    for (size_t i = 0; i < count; i++) {
        wasmtime_component_valrecord_entry_t *entry = &made.of.record.data[i];
        wasm_byte_vec_new(&entry->name, strlen(fields[i].name), fields[i].name);
        entry->val = fields[i].value;
    }
    return made;
}


static value variant_value(const char *name, value payload)
{
    value made = {.kind = WASMTIME_COMPONENT_VARIANT};
    wasm_byte_vec_new(&made.of.variant.discriminant, strlen(name), name);
    made.of.variant.val = wasmtime_component_val_new(&payload);
    return made;
}

static value setting_value(const struct policy_setting *setting)
{
    const struct field fields[] = {
        {"knob", text_value(setting->knob)},
        {"value", text_value(setting->value)},
    };
    return record_value(fields, 2);
}

value environment_value(const struct policy_environment *environment)
{
    value settings = list_value(environment->setting_count);
    for (size_t i = 0; i < environment->setting_count; i++)
        settings.of.list.data[i] = setting_value(&environment->settings[i]);
    const struct field fields[] = {
        {"page-size", u32_value(environment->page_size)},
        {"user-hz", u32_value(environment->user_hz)},
        {"huge-page-size", u64_value(environment->huge_page_size)},
        {"machine", text_value(environment->machine)},
        {"settings", settings},
    };
    return record_value(fields, 5);
}

static value tasks_value(const struct policy_tasks *tasks)
{
    const struct field fields[] = {
        {"total", u32_value(tasks->total)},
        {"running", u32_value(tasks->running)},
        {"blocked", u32_value(tasks->blocked)},
        {"last-pid", u32_value(tasks->last_pid)},
    };
    return record_value(fields, 4);
}

static value content_value(const struct policy_input *input)
{
    switch (input->content) {
    case POLICY_READ:
        if (is_utf8(input->bytes))
            return variant_value("text", text_value(input->bytes));
        return variant_value("bytes", bytes_value(input->bytes));
    case POLICY_TASKS:
        return variant_value("tasks", tasks_value(&input->tasks));
    case POLICY_ABSENT:
        break;
    }
    return variant_value("absent", u32_value(input->number));
}

static value input_value(const struct policy_input *input)
{
    const struct field fields[] = {
        {"key", text_value(input->key)},
        {"level", u32_value(input->level)},
        {"depth", u32_value(input->depth)},
        {"content", content_value(input)},
    };
    return record_value(fields, 4);
}

value snapshot_value(const struct policy_snapshot *snapshot)
{
    value inputs = list_value(snapshot->input_count);
    for (size_t i = 0; i < snapshot->input_count; i++)
        inputs.of.list.data[i] = input_value(&snapshot->inputs[i]);
    value state = {.kind = WASMTIME_COMPONENT_OPTION};
    if (snapshot->has_state) {
        value bytes = bytes_value(snapshot->state);
        state.of.option = wasmtime_component_val_new(&bytes);
    }
    const struct field fields[] = {
        {"environment", environment_value(&snapshot->environment)},
        {"now", u64_value(snapshot->now)},
        {"is-host", (value){.kind = WASMTIME_COMPONENT_BOOL, .of.boolean = snapshot->is_host}},
        {"state", state},
        {"inputs", inputs},
    };
    return record_value(fields, 5);
}

/* ------------------------------------------------------------------------ UTF-8 */

/* How many bytes a character has, or 0. Table 3-7 of the Unicode standard: no
 * surrogates, nothing longer than it has to be. */
static size_t character(const unsigned char *at, size_t left)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t size;
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        size = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        size = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        size = 4;
    else
        return 0;
    if (size > left)
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0;
    if (at[0] == 0xed)
        high = 0x9f;
    if (at[0] == 0xf0)
        low = 0x90;
    if (at[0] == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < size; i++, low = 0x80, high = 0xbf)
        if (at[i] < low || at[i] > high)
            return 0;
    return size;
}

bool is_utf8(struct policy_text text)
{
    for (size_t i = 0; i < text.size;) {
        size_t size = character((const unsigned char *)text.data + i, text.size - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

bool environment_is_utf8(const struct policy_environment *environment)
{
    for (size_t i = 0; i < environment->setting_count; i++)
        if (!is_utf8(environment->settings[i].knob) || !is_utf8(environment->settings[i].value))
            return false;
    return is_utf8(environment->machine);
}

bool snapshot_is_utf8(const struct policy_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->input_count; i++)
        if (!is_utf8(snapshot->inputs[i].key))
            return false;
    return environment_is_utf8(&snapshot->environment);
}

/* ---------------------------------------------------------------------- answers */

/*
 * The component says of which types its answers are, and it may be a stranger's.
 * So each of these looks at the kind first, takes NULL for a value of another
 * kind, and notes in `ok` what is not as it should be. Fields are looked up by
 * name: one more of them does no harm.
 */

static const value *of_kind(const value *read, wasmtime_component_valkind_t kind, bool *ok)
{
    if (read != NULL && read->kind == kind)
        return read;
    *ok = false;
    return NULL;
}

static struct policy_text name_text(const wasm_name_t *name)
{
    return (struct policy_text){name->data, name->size};
}

static const value *field(const value *read, const char *name, bool *ok)
{
    const value *record = of_kind(read, WASMTIME_COMPONENT_RECORD, ok);
    for (size_t i = 0; record != NULL && i < record->of.record.size; i++)
        if (policy_text_is(name_text(&record->of.record.data[i].name), name))
            return &record->of.record.data[i].val;
    *ok = false;
    return NULL;
}

static struct policy_text text_in(const value *record, const char *name, bool *ok)
{
    const value *text = of_kind(field(record, name, ok), WASMTIME_COMPONENT_STRING, ok);
    return text == NULL ? (struct policy_text){0} : name_text(&text->of.string);
}

static struct policy_text enum_in(const value *record, const char *name, bool *ok)
{
    const value *text = of_kind(field(record, name, ok), WASMTIME_COMPONENT_ENUM, ok);
    return text == NULL ? (struct policy_text){0} : name_text(&text->of.enumeration);
}

static uint32_t u32_in(const value *record, const char *name, bool *ok)
{
    const value *number = of_kind(field(record, name, ok), WASMTIME_COMPONENT_U32, ok);
    return number == NULL ? 0 : number->of.u32;
}

static wasmtime_component_vallist_t list_in(const value *record, const char *name, bool *ok)
{
    const value *list = of_kind(field(record, name, ok), WASMTIME_COMPONENT_LIST, ok);
    return list == NULL ? (wasmtime_component_vallist_t){0} : list->of.list;
}

/* What is in an option; NULL where there is nothing. */
static const value *option_in(const value *record, const char *name, bool *ok)
{
    const value *option = of_kind(field(record, name, ok), WASMTIME_COMPONENT_OPTION, ok);
    return option == NULL ? NULL : option->of.option;
}

static struct policy_text copied(struct policy_text text)
{
    char *copy = policy_allocate(text.size + 1, 1);
    if (text.size != 0)
        memcpy(copy, text.data, text.size);
    return (struct policy_text){copy, text.size};
}

static struct policy_text copied_bytes(const value *read, bool *ok)
{
    const value *list = of_kind(read, WASMTIME_COMPONENT_LIST, ok);
    size_t size = list == NULL ? 0 : list->of.list.size;
    char *copy = policy_allocate(size + 1, 1);
    for (size_t i = 0; i < size; i++) {
        const value *byte = of_kind(&list->of.list.data[i], WASMTIME_COMPONENT_U8, ok);
        copy[i] = byte == NULL ? 0 : (char)byte->of.u8;
    }
    return (struct policy_text){copy, size};
}

static struct policy_source source_of(const value *read, bool *ok)
{
    struct policy_source source = {0};
    const value *variant = of_kind(read, WASMTIME_COMPONENT_VARIANT, ok);
    if (variant == NULL)
        return source;
    const value *payload = variant->of.variant.val;
    source.kind = name_text(&variant->of.variant.discriminant);
    if (policy_text_is(source.kind, "cgroup")) {
        source.version = enum_in(payload, "version", ok);
        source.controller = text_in(payload, "controller", ok);
        source.scope = enum_in(payload, "scope", ok);
        source.name = text_in(payload, "name", ok);
    } else if (policy_text_is(source.kind, "process")) {
        source.process = enum_in(payload, "of", ok);
        source.name = text_in(payload, "name", ok);
    } else if (payload != NULL) {
        const value *path = of_kind(payload, WASMTIME_COMPONENT_STRING, ok);
        if (path != NULL)
            source.name = name_text(&path->of.string);
    }
    return source;
}

static void read_entry(const value *read, struct policy_entry *entry, bool *ok)
{
    entry->path = text_in(read, "path", ok);
    entry->kind = enum_in(read, "kind", ok);
    const value *mode = of_kind(field(read, "mode", ok), WASMTIME_COMPONENT_U16, ok);
    entry->mode = mode == NULL ? 0 : mode->of.u16;
    entry->treatment = enum_in(read, "class", ok);
    entry->summary = text_in(read, "summary", ok);
    entry->reason = text_in(read, "reason", ok);
    wasmtime_component_vallist_t needs = list_in(read, "needs", ok);
    entry->needs = policy_allocate(needs.size, sizeof *entry->needs);
    entry->need_count = needs.size;
    for (size_t i = 0; i < needs.size; i++) {
        entry->needs[i].key = text_in(&needs.data[i], "key", ok);
        entry->needs[i].source = source_of(field(&needs.data[i], "from", ok), ok);
    }
    const value *history = option_in(read, "history", ok);
    if (history != NULL) {
        entry->has_history = true;
        entry->history_format = text_in(history, "format", ok);
        entry->interval_ms = u32_in(history, "interval-ms", ok);
    }
}

bool read_manifest(const value *answer, struct policy_manifest *manifest)
{
    bool ok = true;
    manifest->name = text_in(answer, "name", &ok);
    manifest->version = text_in(answer, "version", &ok);
    wasmtime_component_vallist_t entries = list_in(answer, "entries", &ok);
    manifest->entries = policy_allocate(entries.size, sizeof *manifest->entries);
    manifest->entry_count = entries.size;
    for (size_t i = 0; i < entries.size; i++)
        read_entry(&entries.data[i], &manifest->entries[i], &ok);
    return ok;
}

bool read_rendered(const value *answer, struct policy_rendered *rendered)
{
    bool ok = true;
    const value *body = of_kind(field(answer, "body", &ok), WASMTIME_COMPONENT_VARIANT, &ok);
    const value *payload = body == NULL ? NULL : body->of.variant.val;
    rendered->is_text = payload != NULL && payload->kind == WASMTIME_COMPONENT_STRING;
    rendered->body = rendered->is_text ? copied(name_text(&payload->of.string))
                                       : copied_bytes(payload, &ok);
    const value *state = option_in(answer, "state", &ok);
    if (state != NULL) {
        rendered->has_state = true;
        rendered->state = copied_bytes(state, &ok);
    }
    return ok;
}

#define SHOWN(text) (int)((text).size < 1000 ? (text).size : 1000), (text).data

bool read_refusal(const value *answer, struct policy_error *error)
{
    bool ok = true;
    const value *variant = of_kind(answer, WASMTIME_COMPONENT_VARIANT, &ok);
    if (variant == NULL)
        return false;
    const value *payload = variant->of.variant.val;
    struct policy_text code = name_text(&variant->of.variant.discriminant);
    struct policy_text about = policy_text(""), reason = policy_text("");
    if (policy_text_is(code, "unsupported-path")) {
        policy_error_set(error, "unsupported-path", ENOENT,
                         "the policy does not serve it, or this container has no such number");
    } else if (policy_text_is(code, "denied")) {
        policy_error_set(error, "denied", EACCES, "the policy or a setting denies it");
    } else if (policy_text_is(code, "missing-input")) {
        const value *key = of_kind(payload, WASMTIME_COMPONENT_STRING, &ok);
        if (key != NULL)
            about = name_text(&key->of.string);
        policy_error_set(error, "missing-input", EIO,
                         "it needs `%.*s`, which could not be read", SHOWN(about));
    } else if (policy_text_is(code, "malformed-input")) {
        about = text_in(payload, "key", &ok);
        reason = text_in(payload, "reason", &ok);
        error->line = u32_in(payload, "line", &ok);
        policy_error_set(error, "malformed-input", EIO,
                         "`%.*s` is not what the kernel prints, line %u: %.*s", SHOWN(about),
                         error->line, SHOWN(reason));
    } else if (policy_text_is(code, "rejected-setting")) {
        about = text_in(payload, "knob", &ok);
        reason = text_in(payload, "reason", &ok);
        policy_error_set(error, "rejected-setting", EINVAL, "the knob `%.*s`: %.*s",
                         SHOWN(about), SHOWN(reason));
    } else {
        return false;
    }
    error->about = copied(about);
    error->reason = copied(reason);
    return ok;
}
