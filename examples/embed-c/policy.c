#include "policy.h"
#include "values.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RENDERER "vproc:policy/renderer@" POLICY_CONTRACT

/* How often the clock of a call advances. */
#define TICK_MS 10

/* PID_MAX_LIMIT of include/linux/threads.h: the last number that a `*` in a path
 * stands for. */
#define LAST_NUMBER 4194304

const struct policy_limits policy_default_limits = {
    .milliseconds = 2000,
    .memory = 64 << 20,
    .output = 32 << 20,
    .state = 1 << 20,
    .component = 32 << 20,
};

struct policy {
    struct policy_limits limits;
    wasm_engine_t *engine;
    wasmtime_component_t *component;
    wasmtime_component_linker_t *linker;
    wasmtime_component_export_index_t *declare, *render;

    /* The thread that advances the clock while there are calls. */
    pthread_t watchdog;
    bool watched;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned calls;
    bool ended;
};

/* ----------------------------------------------------------------- time of calls */

static void *watch(void *argument)
{
    struct policy *policy = argument;
    const struct timespec tick = {.tv_nsec = TICK_MS * 1000000L};
    pthread_mutex_lock(&policy->lock);
    while (!policy->ended) {
        if (policy->calls == 0) {
            pthread_cond_wait(&policy->changed, &policy->lock);
            continue;
        }
        pthread_mutex_unlock(&policy->lock);
        nanosleep(&tick, NULL);
        wasmtime_engine_increment_epoch(policy->engine);
        pthread_mutex_lock(&policy->lock);
    }
    pthread_mutex_unlock(&policy->lock);
    return NULL;
}

/* Signals are for the threads of the program, not for one that it does not know. */
static int start_watchdog(struct policy *policy)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&policy->watchdog, NULL, watch, policy);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    policy->watched = failed == 0;
    return failed;
}

static void count_calls(struct policy *policy, int difference)
{
    pthread_mutex_lock(&policy->lock);
    policy->calls += (unsigned)difference;
    pthread_cond_signal(&policy->changed);
    pthread_mutex_unlock(&policy->lock);
}

/* ----------------------------------------------------------------------- loading */

/* What wasmtime says, as one line: the cause, without the frames that led to it. */
static void fail(struct policy_error *error, const char *code, int number,
                 const char *doing, wasmtime_error_t *failure)
{
    static const char cause[] = "Caused by:";
    wasm_name_t said;
    wasmtime_error_message(failure, &said);
    wasmtime_error_delete(failure);
    char *line = policy_allocate(said.size + 1, 1);
    const char *at = memmem(said.data, said.size, cause, strlen(cause));
    at = at == NULL ? said.data : at + strlen(cause);
    size_t written = 0;
    for (; at < said.data + said.size; at++) {
        bool is_blank = *at == '\n' || *at == ' ';
        if (!is_blank)
            line[written++] = *at;
        else if (written > 0 && line[written - 1] != ' ')
            line[written++] = ' ';
    }
    while (written > 0 && line[written - 1] == ' ')
        written--;
    policy_error_set(error, code, number, "%s: %.*s", doing, (int)written, line);
    free(line);
    wasm_byte_vec_delete(&said);
}

static wasm_engine_t *new_engine(void)
{
    wasm_config_t *config = wasm_config_new();
    wasmtime_config_epoch_interruption_set(config, true);
    /* Code checks its own bounds, so that wasmtime handles no signals: the
     * program may have handlers of its own, as the Go runtime has. It has a price:
     * a render takes 0.1 ms longer. */
    wasmtime_config_signals_based_traps_set(config, false);
    /* The C API ends the program over a value of a type of these. */
    wasmtime_config_wasm_component_model_async_set(config, false);
    return wasm_engine_new_with_config(config);
}

static bool find_functions(struct policy *policy)
{
    wasmtime_component_export_index_t *renderer = wasmtime_component_get_export_index(
        policy->component, NULL, RENDERER, strlen(RENDERER));
    if (renderer == NULL)
        return false;
    policy->declare = wasmtime_component_get_export_index(policy->component, renderer,
                                                          "declare", strlen("declare"));
    policy->render = wasmtime_component_get_export_index(policy->component, renderer,
                                                         "render", strlen("render"));
    wasmtime_component_export_index_delete(renderer);
    return policy->declare != NULL && policy->render != NULL;
}

static bool compile(struct policy *policy, const void *component, size_t size,
                    struct policy_error *error)
{
    if (size > policy->limits.component) {
        policy_error_set(error, "not-a-policy", EFBIG, "it has more than %zu bytes",
                         policy->limits.component);
        return false;
    }
    policy->engine = new_engine();
    wasmtime_error_t *failure =
        wasmtime_component_new(policy->engine, component, size, &policy->component);
    if (failure == NULL) {
        policy->linker = wasmtime_component_linker_new(policy->engine);
        /* It needs no import. One that was built with a standard library has
         * some all the same; they end the call. */
        failure = wasmtime_component_linker_define_unknown_imports_as_traps(
            policy->linker, policy->component);
    }
    if (failure != NULL) {
        fail(error, "not-a-policy", ENOEXEC, "not a component", failure);
        return false;
    }
    if (!find_functions(policy)) {
        policy_error_set(error, "not-a-policy", ENOEXEC, "the component does not export %s",
                         RENDERER);
        return false;
    }
    int number = start_watchdog(policy);
    if (number != 0) {
        policy_error_set(error, "no-thread", number, "cannot start a thread: %s",
                         strerror(number));
        return false;
    }
    return true;
}

struct policy *policy_load(const void *component, size_t size,
                           const struct policy_limits *limits, struct policy_error *error)
{
    struct policy *policy = policy_allocate(1, sizeof *policy);
    policy->limits = *limits;
    pthread_mutex_init(&policy->lock, NULL);
    pthread_cond_init(&policy->changed, NULL);
    if (compile(policy, component, size, error))
        return policy;
    policy_free(policy);
    return NULL;
}

void policy_free(struct policy *policy)
{
    if (policy == NULL)
        return;
    if (policy->watched) {
        pthread_mutex_lock(&policy->lock);
        policy->ended = true;
        pthread_cond_signal(&policy->changed);
        pthread_mutex_unlock(&policy->lock);
        pthread_join(policy->watchdog, NULL);
    }
    if (policy->declare != NULL)
        wasmtime_component_export_index_delete(policy->declare);
    if (policy->render != NULL)
        wasmtime_component_export_index_delete(policy->render);
    if (policy->linker != NULL)
        wasmtime_component_linker_delete(policy->linker);
    if (policy->component != NULL)
        wasmtime_component_delete(policy->component);
    if (policy->engine != NULL)
        wasm_engine_delete(policy->engine);
    pthread_cond_destroy(&policy->changed);
    pthread_mutex_destroy(&policy->lock);
    free(policy);
}

/* ----------------------------------------------------------------------- calling */

/* Calls a fresh instance: what was rendered for one container may linger in its
 * memory. Takes the arguments. */
static bool call(struct policy *policy, const wasmtime_component_export_index_t *index,
                 wasmtime_component_val_t *arguments, size_t count,
                 wasmtime_component_val_t *answer, struct policy_error *error)
{
    wasmtime_store_t *store = wasmtime_store_new(policy->engine, NULL, NULL);
    /* Elements of a table, core instances, tables; and one memory, because the
     * limit is that of each. */
    wasmtime_store_limiter(store, (int64_t)policy->limits.memory, 20000, 64, 64, 1);
    wasmtime_context_t *context = wasmtime_store_context(store);
    /* One more, because a tick may be due at once. */
    wasmtime_context_set_epoch_deadline(context, policy->limits.milliseconds / TICK_MS + 1);

    wasmtime_component_instance_t instance;
    wasmtime_component_func_t function;
    bool found = true;
    count_calls(policy, 1);
    wasmtime_error_t *failure = wasmtime_component_linker_instantiate(
        policy->linker, context, policy->component, &instance);
    if (failure == NULL) {
        found = wasmtime_component_instance_get_func(&instance, context, index, &function);
        if (found)
            failure = wasmtime_component_func_call(&function, context, arguments, count,
                                                   answer, 1);
    }
    count_calls(policy, -1);
    for (size_t i = 0; i < count; i++)
        wasmtime_component_val_delete(&arguments[i]);
    wasmtime_store_delete(store);
    if (failure != NULL)
        fail(error, "trapped", EIO, "the policy failed", failure);
    else if (!found)
        policy_error_set(error, "not-a-policy", ENOEXEC, "an export is no function");
    return failure == NULL && found;
}

/* What is in the `ok` of an answer, which is taken; NULL where there is an error,
 * which is filled. */
static wasmtime_component_val_t *accepted(wasmtime_component_val_t *answer,
                                          struct policy_error *error)
{
    wasmtime_component_val_t *payload = NULL;
    bool refused = false;
    if (answer->kind == WASMTIME_COMPONENT_RESULT && answer->of.result.val != NULL) {
        payload = answer->of.result.val;
        answer->of.result.val = NULL;
        if (!answer->of.result.is_ok) {
            refused = read_refusal(payload, error);
            wasmtime_component_val_free(payload);
            payload = NULL;
        }
    }
    wasmtime_component_val_delete(answer);
    if (payload == NULL && !refused) {
        policy_error_clear(error);
        policy_error_set(error, "malformed-answer", EIO, "the answer is not of the contract");
    }
    return payload;
}

static bool invalid(struct policy_error *error)
{
    policy_error_set(error, "invalid-argument", EINVAL, "a text that is not UTF-8");
    return false;
}

bool policy_declare(struct policy *policy, const struct policy_environment *environment,
                    struct policy_manifest *manifest, struct policy_error *error)
{
    *manifest = (struct policy_manifest){0};
    if (!environment_is_utf8(environment))
        return invalid(error);
    wasmtime_component_val_t argument = environment_value(environment);
    wasmtime_component_val_t answer = {.kind = WASMTIME_COMPONENT_BOOL};
    if (!call(policy, policy->declare, &argument, 1, &answer, error))
        return false;
    wasmtime_component_val_t *declared = accepted(&answer, error);
    if (declared == NULL)
        return false;
    manifest->owner = declared;
    if (read_manifest(declared, manifest))
        return true;
    policy_manifest_clear(manifest);
    policy_error_set(error, "malformed-answer", EIO, "the manifest is not of the contract");
    return false;
}

void policy_manifest_clear(struct policy_manifest *manifest)
{
    for (size_t i = 0; i < manifest->entry_count; i++)
        free(manifest->entries[i].needs);
    free(manifest->entries);
    wasmtime_component_val_free(manifest->owner);
    *manifest = (struct policy_manifest){0};
}

bool policy_render(struct policy *policy, struct policy_text path,
                   const struct policy_snapshot *snapshot,
                   struct policy_rendered *rendered, struct policy_error *error)
{
    *rendered = (struct policy_rendered){0};
    if (!is_utf8(path) || !snapshot_is_utf8(snapshot))
        return invalid(error);
    wasmtime_component_val_t arguments[] = {text_value(path), snapshot_value(snapshot)};
    wasmtime_component_val_t answer = {.kind = WASMTIME_COMPONENT_BOOL};
    if (!call(policy, policy->render, arguments, 2, &answer, error))
        return false;
    wasmtime_component_val_t *made = accepted(&answer, error);
    if (made == NULL)
        return false;
    bool is_whole = read_rendered(made, rendered);
    wasmtime_component_val_free(made);
    if (!is_whole)
        policy_error_set(error, "malformed-answer", EIO, "the text is not of the contract");
    else if (rendered->body.size > policy->limits.output ||
             rendered->state.size > policy->limits.state)
        policy_error_set(error, "too-large", EIO, "the policy made more bytes than it may");
    else
        return true;
    policy_rendered_clear(rendered);
    return false;
}

void policy_rendered_clear(struct policy_rendered *rendered)
{
    free((char *)rendered->body.data);
    free((char *)rendered->state.data);
    *rendered = (struct policy_rendered){0};
}

/* ------------------------------------------------------------------------- paths */

static bool stands_for(struct policy_text pattern, struct policy_text path)
{
    size_t at = 0;
    for (size_t i = 0; i < pattern.size; i++) {
        if (pattern.data[i] != '*') {
            if (at == path.size || path.data[at++] != pattern.data[i])
                return false;
            continue;
        }
        const size_t start = at;
        unsigned long number = 0;
        for (; at < path.size && path.data[at] >= '0' && path.data[at] <= '9'; at++)
            if (number <= LAST_NUMBER)
                number = number * 10 + (unsigned long)(path.data[at] - '0');
        bool has_leading_zero = at - start > 1 && path.data[start] == '0';
        if (at == start || has_leading_zero || number > LAST_NUMBER)
            return false;
    }
    return at == path.size;
}

const struct policy_entry *policy_find(const struct policy_manifest *manifest,
                                       struct policy_text path,
                                       struct policy_error *error)
{
    const struct policy_entry *found = NULL;
    for (size_t i = 0; i < manifest->entry_count; i++) {
        const struct policy_entry *entry = &manifest->entries[i];
        if (entry->path.size == path.size &&
            memcmp(entry->path.data, path.data, path.size) == 0)
            return entry;
        if (found == NULL && stands_for(entry->path, path))
            found = entry;
    }
    if (found == NULL)
        policy_error_set(error, "unsupported-path", ENOENT, "the policy does not serve it");
    return found;
}

/* ------------------------------------------------------------- texts and errors */

struct policy_text policy_text(const char *string)
{
    return (struct policy_text){string, strlen(string)};
}

bool policy_text_is(struct policy_text text, const char *string)
{
    return text.size == strlen(string) && memcmp(text.data, string, text.size) == 0;
}

void *policy_allocate(size_t count, size_t size)
{
    void *memory = calloc(count == 0 ? 1 : count, size);
    if (memory == NULL)
        abort();
    return memory;
}

void policy_error_set(struct policy_error *error, const char *code, int number,
                      const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    error->code = code;
    error->number = number;
    error->message = policy_allocate(size < 0 ? 1 : (size_t)size + 1, 1);
    if (size >= 0)
        vsnprintf(error->message, (size_t)size + 1, format, again);
    va_end(again);
    va_end(arguments);
}

void policy_error_clear(struct policy_error *error)
{
    free(error->message);
    free((char *)error->about.data);
    free((char *)error->reason.data);
    *error = (struct policy_error){0};
}
