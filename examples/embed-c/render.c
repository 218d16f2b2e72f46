/*
 * Prints the files that a container should see, from a capture:
 *
 *     render [-s KNOB=VALUE]… POLICY.wasm CAPTURE.json PATH…
 */

#include "capture.h"
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is wrong, as one line. Empties the error. */
static void complain(const char *of, struct policy_error *error)
{
    fprintf(stderr, "render: %s: %s\n", of, error->message);
    policy_error_clear(error);
}

/* NULL where it cannot be read, which is said. */
static char *read_file(const char *path, size_t *size)
{
    char *bytes = NULL;
    FILE *file = fopen(path, "rb");
    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        long end = ftell(file);
        rewind(file);
        *size = end < 0 ? 0 : (size_t)end;
        bytes = policy_allocate(*size + 1, 1);
        if (end < 0 || fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (bytes == NULL)
        fprintf(stderr, "render: %s: %s\n", path, strerror(errno));
    if (file != NULL)
        fclose(file);
    return bytes;
}

static bool print(struct policy *policy, const struct capture *capture,
                  const struct policy_environment *environment,
                  const struct policy_manifest *manifest, const char *path, const char *header)
{
    struct policy_error error = {0};
    struct policy_snapshot snapshot;
    struct policy_rendered rendered;
    const struct policy_entry *entry = policy_find(manifest, policy_text(path), &error);
    if (entry == NULL ||
        !capture_snapshot(capture, entry, environment, &snapshot, &error)) {
        complain(path, &error);
        return false;
    }
    /* Who renders for a running container keeps `rendered.state` of a file that
     * has a history, and hands it in at the next render as `snapshot.state`. */
    bool ok = policy_render(policy, policy_text(path), &snapshot, &rendered, &error);
    capture_snapshot_clear(&snapshot);
    if (!ok) {
        complain(path, &error);
        return false;
    }
    printf(header, path);
    fwrite(rendered.body.data, 1, rendered.body.size, stdout);
    policy_rendered_clear(&rendered);
    return true;
}

static int print_all(struct policy *policy, const struct capture *capture,
                     const struct policy_environment *environment, char **paths, int count)
{
    struct policy_error error = {0};
    struct policy_manifest manifest;
    if (!policy_declare(policy, environment, &manifest, &error)) {
        complain("the policy", &error);
        return 1;
    }
    int code = 0, printed = 0;
    for (int i = 0; i < count; i++) {
        /* As head(1) does. */
        const char *header = printed ? "\n==> %s <==\n" : "==> %s <==\n";
        if (print(policy, capture, environment, &manifest, paths[i], count > 1 ? header : ""))
            printed++;
        else
            code = 1;
    }
    policy_manifest_clear(&manifest);
    return code;
}

/* The settings of the capture, and those of the command line after them: the last
 * one of a knob counts. */
static struct policy_environment with_settings(const struct capture *capture,
                                               const struct policy_setting *more, size_t count)
{
    struct policy_environment environment = *capture_environment(capture);
    size_t own = environment.setting_count;
    struct policy_setting *all = policy_allocate(own + count, sizeof *all);
    memcpy(all, environment.settings, own * sizeof *all);
    memcpy(all + own, more, count * sizeof *all);
    environment.settings = all;
    environment.setting_count = own + count;
    return environment;
}

int main(int argc, char **argv)
{
    struct policy_setting *settings = policy_allocate((size_t)argc, sizeof *settings);
    size_t setting_count = 0;
    bool is_understood = true;
    for (int option; (option = getopt(argc, argv, "s:")) != -1;) {
        char *value = option == 's' ? strchr(optarg, '=') : NULL;
        if (value == NULL) {
            is_understood = false;
            break;
        }
        *value = '\0';
        settings[setting_count++] =
            (struct policy_setting){policy_text(optarg), policy_text(value + 1)};
    }
    if (!is_understood || argc - optind < 3) {
        fprintf(stderr, "usage: render [-s KNOB=VALUE]... POLICY.wasm CAPTURE.json PATH...\n");
        free(settings);
        return 2;
    }
    const char *component_file = argv[optind], *capture_file = argv[optind + 1];
    int code = 1;
    size_t component_size = 0, json_size = 0;
    struct policy_error error = {0};
    struct policy *policy = NULL;
    struct capture *capture = NULL;
    char *component = NULL, *json = read_file(capture_file, &json_size);
    if (json != NULL) {
        capture = capture_load(json, json_size, &error);
        if (capture == NULL)
            complain(capture_file, &error);
        else
            component = read_file(component_file, &component_size);
    }
    if (component != NULL) {
        policy = policy_load(component, component_size, &policy_default_limits, &error);
        if (policy == NULL)
            complain(component_file, &error);
    }
    if (policy != NULL) {
        struct policy_environment environment =
            with_settings(capture, settings, setting_count);
        code = print_all(policy, capture, &environment, argv + optind + 2, argc - optind - 2);
        free((void *)environment.settings);
    }
    capture_free(capture);
    policy_free(policy);
    free(component);
    free(json);
    free(settings);
    return code;
}
