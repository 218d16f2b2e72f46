/*
 * A vproc policy, run by wasmtime within limits.
 *
 *     policy_load      compiles a component of the world `vproc:policy/policy`
 *     policy_declare   asks it what it serves, and from what
 *     policy_render    makes the text of a file of what was read
 *
 * The structures are those of `wit/policy.wit`, which says what they mean. A
 * function that can fail returns false, or NULL, and says why in its last
 * argument, which `policy_error_clear` empties. A policy may be used by several
 * threads at once. What runs out of memory ends the program, as it does in
 * wasmtime.
 */

#ifndef POLICY_H
#define POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The version of the contract that this host speaks. */
#define POLICY_CONTRACT "0.2.0"

/* Bytes, which need not end with a NUL and may hold some. */
struct policy_text {
    const char *data;
    size_t size;
};

/* Why there is no text. All zero where nothing has failed. */
struct policy_error {
    /* One of the cases of `error` in the contract, such as `missing-input`;
     * or `not-a-policy`, `trapped`, `malformed-answer`, `too-large`,
     * `invalid-argument`, and what `capture.h` adds. Lives for ever. */
    const char *code;
    /* What a read of the file should fail with: an errno. */
    int number;
    /* One line for a person. */
    char *message;
    /* The key or the knob that is meant, the line in it, what is wrong with it. */
    struct policy_text about;
    uint32_t line;
    struct policy_text reason;
};

void policy_error_clear(struct policy_error *error);

/* What a policy may use. A stranger's must not hang or bloat this program. */
struct policy_limits {
    uint32_t milliseconds; /* of one call, exact to some 10 ms */
    size_t memory;         /* bytes of linear memory */
    size_t output;         /* bytes of a rendered file */
    size_t state;          /* bytes of the state that a file keeps */
    size_t component;      /* bytes of a component that is loaded */
};

/* Those of vprocctl. */
extern const struct policy_limits policy_default_limits;

/* ------------------------------------------------------------ what is declared */

struct policy_setting {
    struct policy_text knob, value;
};

struct policy_environment {
    uint32_t page_size, user_hz;
    uint64_t huge_page_size;
    struct policy_text machine;
    const struct policy_setting *settings;
    size_t setting_count;
};

/* Where an input comes from. A text that does not apply is empty. */
struct policy_source {
    struct policy_text kind; /* `host`, `cgroup`, `process`, `tasks`, … */
    struct policy_text name; /* the absolute path, or the name of the file */
    struct policy_text version, controller, scope; /* of a cgroup file */
    struct policy_text process;                    /* whose file it is */
};

struct policy_need {
    struct policy_text key;
    struct policy_source source;
};

struct policy_entry {
    struct policy_text path;
    struct policy_text kind; /* `file`, `directory` or `symlink` */
    uint16_t mode;
    struct policy_text treatment; /* `class` in the contract: `virtual`, … */
    struct policy_text summary, reason;
    struct policy_need *needs;
    size_t need_count;
    bool has_history;
    struct policy_text history_format;
    uint32_t interval_ms;
};

struct policy_manifest {
    struct policy_text name, version;
    struct policy_entry *entries;
    size_t entry_count;
    void *owner; /* of the texts */
};

/* --------------------------------------------------------------- what was read */

enum policy_content {
    POLICY_READ,   /* a file: `bytes`, which are a `text` where they are UTF-8 */
    POLICY_TASKS,  /* counts over tasks */
    POLICY_ABSENT, /* nothing could be read: an errno */
};

struct policy_tasks {
    uint32_t total, running, blocked, last_pid;
};

struct policy_input {
    struct policy_text key;
    uint32_t level, depth;
    enum policy_content content;
    struct policy_text bytes;
    struct policy_tasks tasks;
    uint32_t number;
};

struct policy_snapshot {
    struct policy_environment environment;
    uint64_t now;
    bool is_host;
    bool has_state;
    struct policy_text state;
    const struct policy_input *inputs;
    size_t input_count;
};

struct policy_rendered {
    bool is_text; /* whether the policy says that it is UTF-8 */
    struct policy_text body;
    bool has_state;
    struct policy_text state; /* for the next render of this file */
};

/* ------------------------------------------------------------------- functions */

struct policy;

struct policy *policy_load(const void *component, size_t size,
                           const struct policy_limits *limits,
                           struct policy_error *error);
void policy_free(struct policy *policy);

bool policy_declare(struct policy *policy,
                    const struct policy_environment *environment,
                    struct policy_manifest *manifest, struct policy_error *error);
void policy_manifest_clear(struct policy_manifest *manifest);

/* The entry for a path: of the same name, or one in which a `*` stands for each
 * number in the path. Error: `unsupported-path`. */
const struct policy_entry *policy_find(const struct policy_manifest *manifest,
                                       struct policy_text path,
                                       struct policy_error *error);

bool policy_render(struct policy *policy, struct policy_text path,
                   const struct policy_snapshot *snapshot,
                   struct policy_rendered *rendered, struct policy_error *error);
void policy_rendered_clear(struct policy_rendered *rendered);

/* ------------------------------------------------------- for those who fill them */

/* The text that a C string is. Nothing is copied. */
struct policy_text policy_text(const char *string);
bool policy_text_is(struct policy_text text, const char *string);

/* Fills an error, which has to be empty. The texts are copied. */
void policy_error_set(struct policy_error *error, const char *code, int number,
                      const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Zeroed memory for so many things; ends the program where there is none. */
void *policy_allocate(size_t count, size_t size);

#endif
