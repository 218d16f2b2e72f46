#include "capture.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The newest format that this reads. */
#define FORMAT 1

struct record {
    struct policy_text source; /* `cgroup2:memory/memory.max@lineage` */
    struct policy_input *found; /* without a key */
    size_t count;
};

struct capture {
    json_t *json; /* owns all texts */
    struct policy_environment environment;
    struct policy_setting *settings;
    uint64_t now;
    bool is_host;
    struct record *records;
    size_t count;
};

/* ----------------------------------------------------------------------- reading */

static bool malformed(struct policy_error *error, const char *where, const char *why)
{
    policy_error_set(error, "malformed-capture", EINVAL, "not a capture: %s: %s", where, why);
    return false;
}

static bool fits(json_int_t number, uint32_t *into)
{
    *into = (uint32_t)number;
    return number >= 0 && number <= UINT32_MAX;
}

static int digit(char of)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = of == '\0' ? NULL : strchr(digits, of);
    return found == NULL ? -1 : (int)(found - digits);
}

/* Puts what a member says in base64 in its place, so that the JSON owns it. */
static bool decode(json_t *json, const char *member, struct policy_text *into)
{
    json_t *string = json_object_get(json, member);
    const char *text = json_string_value(string);
    size_t size = json_string_length(string), padding = 0, written = 0;
    char *bytes = policy_allocate(size / 4 * 3 + 1, 1);
    uint32_t group = 0;
    bool ok = size % 4 == 0;
    while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; ok && i < size; i++) {
        int value = i < size - padding ? digit(text[i]) : 0;
        ok = value >= 0;
        group = group << 6 | (uint32_t)value;
        for (int shift = 16; i % 4 == 3 && shift >= 0; shift -= 8)
            bytes[written++] = (char)(group >> shift);
    }
    string = ok ? json_stringn_nocheck(bytes, written - padding) : json_null();
    json_object_set_new(json, member, string);
    *into = (struct policy_text){json_string_value(string), json_string_length(string)};
    free(bytes);
    return ok;
}

static bool read_tasks(json_t *json, struct policy_tasks *tasks)
{
    json_int_t total, running, blocked, last_pid;
    return json_unpack(json, "{s:I, s:I, s:I, s:I}", "total", &total, "running", &running,
                       "blocked", &blocked, "last_pid", &last_pid) == 0 &&
           fits(total, &tasks->total) && fits(running, &tasks->running) &&
           fits(blocked, &tasks->blocked) && fits(last_pid, &tasks->last_pid);
}

static bool read_reading(json_t *json, struct policy_input *input, const char *where,
                         struct policy_error *error)
{
    const char *text = NULL, *base64 = NULL;
    size_t text_size = 0;
    json_int_t level = 0, depth = 0, number = -1;
    json_t *tasks = NULL;
    json_error_t why;
    if (json_unpack_ex(json, &why, 0, "{s?I, s?I, s?s%, s?s, s?I, s?o}", "level", &level,
                       "depth", &depth, "text", &text, &text_size, "base64", &base64,
                       "errno", &number, "tasks", &tasks) != 0)
        return malformed(error, where, why.text);
    if (!fits(level, &input->level) || !fits(depth, &input->depth))
        return malformed(error, where, "`level` or `depth` is out of range");
    if (text != NULL) {
        input->bytes = (struct policy_text){text, text_size};
        return true;
    }
    if (base64 != NULL)
        return decode(json, "base64", &input->bytes) ||
               malformed(error, where, "`base64` is not base64");
    if (tasks != NULL) {
        input->content = POLICY_TASKS;
        return read_tasks(tasks, &input->tasks) ||
               malformed(error, where, "`tasks` are not four numbers");
    }
    input->content = POLICY_ABSENT;
    return fits(number, &input->number) ||
           malformed(error, where, "neither `text` nor `base64`, `tasks` or `errno`");
}

static bool read_record(json_t *json, struct record *record, size_t place,
                        struct policy_error *error)
{
    char where[64];
    json_t *found;
    json_error_t why;
    snprintf(where, sizeof where, "records[%zu]", place);
    if (json_unpack_ex(json, &why, 0, "{s:s%, s:o}", "source", &record->source.data,
                       &record->source.size, "found", &found) != 0)
        return malformed(error, where, why.text);
    if (!json_is_array(found))
        return malformed(error, where, "`found` is no list");
    record->count = json_array_size(found);
    record->found = policy_allocate(record->count, sizeof *record->found);
    for (size_t i = 0; i < record->count; i++) {
        snprintf(where, sizeof where, "records[%zu].found[%zu]", place, i);
        if (!read_reading(json_array_get(found, i), &record->found[i], where, error))
            return false;
    }
    return true;
}

static bool read_environment(json_t *json, struct capture *capture, struct policy_error *error)
{
    struct policy_environment *into = &capture->environment;
    json_int_t page_size, user_hz, huge_page_size;
    json_t *settings = NULL;
    json_error_t why;
    if (json_unpack_ex(json, &why, 0, "{s:I, s:I, s:I, s:s%, s?o}", "page_size", &page_size,
                       "user_hz", &user_hz, "huge_page_size", &huge_page_size, "machine",
                       &into->machine.data, &into->machine.size, "settings", &settings) != 0)
        return malformed(error, "environment", why.text);
    if (!fits(page_size, &into->page_size) || !fits(user_hz, &into->user_hz) ||
        huge_page_size < 0)
        return malformed(error, "environment", "a number is out of range");
    into->huge_page_size = (uint64_t)huge_page_size;
    into->setting_count = json_array_size(settings);
    capture->settings = policy_allocate(into->setting_count, sizeof *capture->settings);
    into->settings = capture->settings;
    for (size_t i = 0; i < into->setting_count; i++) {
        struct policy_setting *setting = &capture->settings[i];
        if (json_unpack_ex(json_array_get(settings, i), &why, 0, "{s:s%, s:s%}", "knob",
                           &setting->knob.data, &setting->knob.size, "value",
                           &setting->value.data, &setting->value.size) != 0)
            return malformed(error, "environment.settings", why.text);
    }
    return true;
}

static bool read_capture(json_t *json, struct capture *capture, struct policy_error *error)
{
    json_int_t format, now;
    json_t *environment, *records;
    int is_host;
    json_error_t why;
    if (json_unpack_ex(json, &why, 0, "{s:I}", "vproc-capture", &format) != 0)
        return malformed(error, "vproc-capture", why.text);
    if (format > FORMAT) {
        policy_error_set(error, "capture-too-new", EINVAL,
                         "a capture of format %" JSON_INTEGER_FORMAT ", of which %d is known",
                         format, FORMAT);
        return false;
    }
    if (json_unpack_ex(json, &why, 0, "{s:o, s:I, s:b, s:o}", "environment", &environment,
                       "now", &now, "is_host", &is_host, "records", &records) != 0)
        return malformed(error, "the top", why.text);
    if (now < 0)
        return malformed(error, "now", "it is out of range");
    if (!json_is_array(records))
        return malformed(error, "records", "it is no list");
    capture->now = (uint64_t)now;
    capture->is_host = is_host;
    capture->count = json_array_size(records);
    capture->records = policy_allocate(capture->count, sizeof *capture->records);
    for (size_t i = 0; i < capture->count; i++)
        if (!read_record(json_array_get(records, i), &capture->records[i], i, error))
            return false;
    return read_environment(environment, capture, error);
}

struct capture *capture_load(const char *json, size_t size, struct policy_error *error)
{
    json_error_t why;
    struct capture *capture = policy_allocate(1, sizeof *capture);
    capture->json = json_loadb(json, size, JSON_ALLOW_NUL, &why);
    if (capture->json == NULL)
        malformed(error, "it is not JSON", why.text);
    else if (read_capture(capture->json, capture, error))
        return capture;
    capture_free(capture);
    return NULL;
}

void capture_free(struct capture *capture)
{
    if (capture == NULL)
        return;
    for (size_t i = 0; i < capture->count; i++)
        free(capture->records[i].found);
    free(capture->records);
    free(capture->settings);
    json_decref(capture->json);
    free(capture);
}

const struct policy_environment *capture_environment(const struct capture *capture)
{
    return &capture->environment;
}

/* --------------------------------------------------------------------- rendering */

#define PRINTED(text) (int)(text).size, (text).data

/* What a capture calls a source. */
static char *name_of(const struct policy_source *source)
{
    size_t size = source->kind.size + source->name.size + source->controller.size +
                  source->scope.size + source->process.size + 16;
    char *name = policy_allocate(size, 1);
    if (policy_text_is(source->kind, "cgroup"))
        snprintf(name, size, "cgroup%c:%.*s/%.*s@%.*s",
                 policy_text_is(source->version, "v1") ? '1' : '2',
                 PRINTED(source->controller), PRINTED(source->name), PRINTED(source->scope));
    else if (policy_text_is(source->kind, "process"))
        snprintf(name, size, "process:%.*s/%.*s", PRINTED(source->process),
                 PRINTED(source->name));
    else if (source->name.size == 0)
        snprintf(name, size, "%.*s", PRINTED(source->kind));
    else
        snprintf(name, size, "%.*s:%.*s", PRINTED(source->kind), PRINTED(source->name));
    return name;
}

static const struct record *find(const struct capture *capture, const char *source)
{
    for (size_t i = 0; i < capture->count; i++)
        if (policy_text_is(capture->records[i].source, source))
            return &capture->records[i];
    return NULL;
}

/* Adds an input for each group, or other place, where a need was found. */
static bool add(const struct capture *capture, const struct policy_need *need,
                struct policy_snapshot *snapshot, struct policy_error *error)
{
    char *source = name_of(&need->source);
    const struct record *record = find(capture, source);
    if (record == NULL)
        policy_error_set(error, "not-recorded", ENODATA,
                         "it needs %s, which was not recorded", source);
    free(source);
    if (record == NULL)
        return false;
    size_t size = snapshot->input_count + record->count;
    struct policy_input *inputs = policy_allocate(size, sizeof *inputs);
    if (snapshot->input_count != 0)
        memcpy(inputs, snapshot->inputs, snapshot->input_count * sizeof *inputs);
    for (size_t i = 0; i < record->count; i++) {
        inputs[snapshot->input_count + i] = record->found[i];
        inputs[snapshot->input_count + i].key = need->key;
    }
    free((void *)snapshot->inputs);
    snapshot->inputs = inputs;
    snapshot->input_count = size;
    return true;
}

bool capture_snapshot(const struct capture *capture, const struct policy_entry *entry,
                      const struct policy_environment *environment,
                      struct policy_snapshot *snapshot, struct policy_error *error)
{
    *snapshot = (struct policy_snapshot){
        .environment = *environment,
        .now = capture->now,
        .is_host = capture->is_host,
    };
    for (size_t i = 0; i < entry->need_count; i++)
        if (!add(capture, &entry->needs[i], snapshot, error)) {
            capture_snapshot_clear(snapshot);
            return false;
        }
    return true;
}

void capture_snapshot_clear(struct policy_snapshot *snapshot)
{
    free((void *)snapshot->inputs);
    *snapshot = (struct policy_snapshot){0};
}
