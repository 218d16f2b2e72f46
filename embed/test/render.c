/*
 * Renders files from captures, for a test that compares them with vprocctl:
 *
 *     compare policy.wasm capture.json[,later.json…] /proc/meminfo …
 *
 * Prints, for each path, {"text": …}, or {"base64": …} for what is not text, or
 * {"error": …}; and a single {"error": …} where the policy refuses the settings
 * of the capture. Of several captures of one container, oldest first, the last is
 * printed, with the history of the others.
 */

#include "capture.h"
#include "policy.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *must_read(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = policy_allocate(*size + 1, 1);
    if (fread(bytes, 1, *size, file) != *size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return bytes;
}

static json_t *json_text(struct policy_text text)
{
    return json_stringn(text.data, text.size);
}

static json_t *json_base64(struct policy_text bytes)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = policy_allocate(bytes.size / 3 * 4 + 5, 1);
    size_t size = 0;
    for (size_t i = 0; i < bytes.size; i += 3) {
        unsigned group = 0;
        for (size_t j = i; j < i + 3; j++)
            group = group << 8 | (j < bytes.size ? (unsigned char)bytes.data[j] : 0);
        for (size_t j = 0; j < 4; j++)
            text[size++] = i + j > bytes.size ? '=' : digits[group >> (18 - 6 * j) & 63];
    }
    json_t *json = json_stringn(text, size);
    free(text);
    return json;
}

static json_t *json_error(const struct policy_error *error)
{
    json_t *json = json_pack("{s:s}", "tag", error->code);
    json_t *about = json_text(error->about), *value = NULL;
    if (strcmp(error->code, "missing-input") == 0)
        value = json_incref(about);
    if (strcmp(error->code, "malformed-input") == 0)
        value = json_pack("{s:O, s:i, s:o}", "key", about, "line", (int)error->line, "reason",
                          json_text(error->reason));
    if (strcmp(error->code, "rejected-setting") == 0)
        value = json_pack("{s:O, s:o}", "knob", about, "reason", json_text(error->reason));
    if (value != NULL)
        json_object_set_new(json, "val", value);
    json_decref(about);
    return json_pack("{s:o}", "error", json);
}

/* What the last render of a file with history left, to hand in at its next. */
struct state {
    bool is_there;
    struct policy_text bytes;
};

static json_t *attempt(struct policy *policy, const struct capture *capture,
                       const struct policy_manifest *manifest, const char *path,
                       struct state *state)
{
    struct policy_error error = {0};
    struct policy_snapshot snapshot;
    struct policy_rendered rendered;
    const struct policy_entry *entry = policy_find(manifest, policy_text(path), &error);
    bool ok = entry != NULL &&
              capture_snapshot(capture, entry, capture_environment(capture), &snapshot, &error);
    if (ok) {
        snapshot.has_state = state->is_there;
        snapshot.state = state->bytes;
        ok = policy_render(policy, policy_text(path), &snapshot, &rendered, &error);
        capture_snapshot_clear(&snapshot);
    }
    if (!ok) {
        json_t *json = json_error(&error);
        policy_error_clear(&error);
        return json;
    }
    json_t *json = json_object();
    if (rendered.is_text)
        json_object_set_new(json, "text", json_text(rendered.body));
    else
        json_object_set_new(json, "base64", json_base64(rendered.body));
    if (rendered.has_state)
        json_object_set_new(json, "state", json_base64(rendered.state));
    free((char *)state->bytes.data);
    *state = (struct state){rendered.has_state, rendered.state};
    rendered.state = (struct policy_text){0};
    policy_rendered_clear(&rendered);
    return json;
}

static json_t *render(struct policy *policy, const struct capture *capture, char **paths,
                      size_t count, struct state *states)
{
    struct policy_error error = {0};
    struct policy_manifest manifest;
    if (!policy_declare(policy, capture_environment(capture), &manifest, &error)) {
        json_t *json = json_error(&error);
        policy_error_clear(&error);
        return json;
    }
    json_t *answer = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(answer, paths[i],
                            attempt(policy, capture, &manifest, paths[i], &states[i]));
    policy_manifest_clear(&manifest);
    return answer;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    size_t size, count = (size_t)argc - 3;
    struct policy_error error = {0};
    char *component = must_read(argv[1], &size);
    struct policy *policy = policy_load(component, size, &policy_default_limits, &error);
    struct state *states = policy_allocate(count, sizeof *states);
    json_t *answer = NULL;
    for (char *file = strtok(argv[2], ","); policy != NULL && file != NULL;
         file = strtok(NULL, ",")) {
        char *text = must_read(file, &size);
        struct capture *capture = capture_load(text, size, &error);
        if (capture == NULL)
            break;
        json_decref(answer);
        answer = render(policy, capture, argv + 3, count, states);
        capture_free(capture);
        free(text);
    }
    if (error.message != NULL) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    json_dumpf(answer, stdout, 0);
    json_decref(answer);
    for (size_t i = 0; i < count; i++)
        free((char *)states[i].bytes.data);
    free(states);
    policy_free(policy);
    free(component);
    return 0;
}
