/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process for each rule: whatever a plugin does there, the others still run. It judges nothing
 * but how a process ended.
 */
#include "conform/runner.h"

#include "conform/trace.h"

#include <errno.h>
#include <packice/cleanup.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct rule_group *const blob_groups[] = {
    &instance_rules,    &blob_traits_rules,  &blob_create_rules, &blob_bytes_rules,
    &blob_put_rules,    &blob_seal_rules,    &blob_sealed_rules, &blob_handle_rules,
    &blob_share_rules,  &blob_remove_rules,  &blob_thread_rules, &blob_publish_rules,
    &blob_lookup_rules, &blob_recover_rules,
};

static const struct rule_group *const lease_groups[] = {
    &instance_rules,  &lease_grant_rules,  &lease_claim_rules,  &lease_renew_rules,
    &lease_end_rules, &lease_expire_rules, &lease_thread_rules,
};

const struct rule_group *const *
runner_groups(uint32_t kind, size_t *ret_count)
{
    *ret_count = kind == PK_KIND_BLOB    ? sizeof(blob_groups) / sizeof(blob_groups[0])
                 : kind == PK_KIND_LEASE ? sizeof(lease_groups) / sizeof(lease_groups[0])
                                         : 0;
    return kind == PK_KIND_BLOB ? blob_groups : kind == PK_KIND_LEASE ? lease_groups : NULL;
}

/* ---- told to stop ---- */

static volatile sig_atomic_t stopped;
static sigset_t usual_signals; /* the mask outside of this file; here, stops come while it waits */

static void
on_stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static void
catch_stop(void)
{
    struct sigaction action = { .sa_handler = on_stop };
    sigset_t stops;
    (void)sigemptyset(&action.sa_mask);
    (void)sigemptyset(&stops);
    (void)sigaddset(&stops, SIGINT);
    (void)sigaddset(&stops, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &stops, &usual_signals); /* can't fail for these, nor the next */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

/* ---- one rule ---- */

struct run {
    const struct subject *subject;
    const struct rule *rule;
    struct verdict *verdict;
    char folder[128];
};

static int32_t
folder_make(struct run *run, struct pk_error *err)
{
    const char *parent = getenv("TMPDIR");
    char path[sizeof(run->folder)];
    int size = snprintf(path, sizeof(path), "%s/packice-conform-XXXXXX",
                        parent == NULL || parent[0] != '/' ? "/tmp" : parent);
    if (size < 0 || (size_t)size + 2 >= sizeof(path))
        return pk_fail(err, -ENAMETOOLONG, "TMPDIR is too long");
    if (mkdtemp(path) == NULL)
        return pk_fail(err, -errno, "%s: %s", path, strerror(errno));
    memcpy(run->folder, path, sizeof(path));
    for (uint32_t i = 0; i < WORLD_STORAGES; i++) {
        (void)snprintf(path, sizeof(path), "%.*s/%c", (int)strnlen(run->folder, sizeof(path) - 3),
                       run->folder, 'a' + (char)i);
        if (mkdir(path, 0700) != 0)
            return pk_fail(err, -errno, "%s: %s", path, strerror(errno));
    }
    return 0;
}

static void
child_main(const struct run *run, pid_t parent)
{
    struct world world;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &usual_signals, NULL);
    world_init(&world, run->subject, run->verdict, run->folder);
    world_run(&world, run->rule);
}

/* Waits until the process ended, and kills it when its time is up (1), or on a stop. */
static int
await(int pidfd, pid_t pid, uint32_t deadline)
{
    struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };
    const struct timespec limit = { .tv_sec = (time_t)deadline };
    int ready = ppoll(&poll_fd, 1, &limit, &usual_signals);
    if (ready <= 0)
        (void)kill(pid, SIGKILL);
    return ready == 0;
}

/* What the way in which the process ended says of the plugin, over what the rule said. */
static void
judge_end(struct verdict *verdict, int status, int late, uint32_t deadline)
{
    char *text = verdict->text;
    size_t size = sizeof(verdict->text);
    if (late) {
        (void)snprintf(text, size, "it was not done after %u s", deadline);
    } else if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));
        (void)snprintf(text, size, "it was ended by signal %s%s (%s)", name == NULL ? "" : "SIG",
                       name == NULL ? "?" : name, strsignal(WTERMSIG(status)));
    } else if (verdict->outcome == VERDICT_NONE) {
        (void)snprintf(text, size, "the plugin ended the process, with status %d",
                       WEXITSTATUS(status));
    } else if (verdict->outcome == VERDICT_PASSED && WEXITSTATUS(status) != 0) {
        (void)snprintf(text, size, "the process ended with status %d: see standard error",
                       WEXITSTATUS(status));
    } else {
        return;
    }
    verdict->outcome = VERDICT_FAILED;
}

static int32_t
run_in_folder(const struct run *run, uint32_t deadline, struct pk_error *err)
{
    int status = 0;
    pid_t parent = getpid();
    memset(run->verdict, 0, sizeof(*run->verdict));
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        child_main(run, parent);
    if (pid < 0)
        return pk_fail(err, -errno, "fork: %s", strerror(errno));
    pk_autoclose int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        int error = errno;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, &status, 0);
        return pk_fail(err, -error, "pidfd_open: %s", strerror(error));
    }
    int late = await(pidfd, pid, deadline);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (stopped)
        return pk_fail(err, -EINTR, "told to stop");
    judge_end(run->verdict, status, late, deadline);
    return 0;
}

static int32_t
run_rule(struct run *run, uint32_t deadline, struct pk_error *err)
{
    int32_t rc = folder_make(run, err);
    if (rc == 0)
        rc = run_in_folder(run, deadline, err);
    if (run->folder[0] != '\0')
        trace_remove(run->folder);
    run->folder[0] = '\0';
    return rc;
}

/* ---- TAP ---- */

static void
print_line(const char *label, const char *text)
{
    (void)printf("# %s", label);
    for (; *text != '\0'; text++)
        (void)putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
    (void)putchar('\n');
}

static void
print_verdict(const struct run *run, uint32_t number)
{
    const struct verdict *verdict = run->verdict;
    bool failed = verdict->outcome == VERDICT_FAILED;
    (void)printf("%sok %u - %s", failed ? "not " : "", number, run->rule->name);
    if (verdict->outcome == VERDICT_SKIPPED)
        (void)printf(" # SKIP %s", verdict->text);
    (void)putchar('\n');
    if (failed) {
        print_line("came:     ", verdict->text);
        (void)printf("# expected: %s\n", run->rule->sentence);
    }
}

/* ---- all ---- */

static bool
is_wanted(const struct rule *rule, const char *only)
{
    return only == NULL || strncmp(rule->name, only, strlen(only)) == 0;
}

static uint32_t
count_wanted(const struct rule_group *const *groups, size_t count, const char *only)
{
    uint32_t wanted = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < groups[i]->count; j++)
            wanted += is_wanted(&groups[i]->rules[j], only);
    }
    return wanted;
}

static int32_t
run_wanted(struct run *run, const char *only, uint32_t deadline, uint32_t *ret_failed,
           struct pk_error *err)
{
    size_t count;
    const struct rule_group *const *groups =
        runner_groups(run->subject->module->plugin.kind, &count);
    uint32_t wanted = count_wanted(groups, count, only);
    uint32_t number = 0;
    uint32_t failed = 0;
    if (wanted == 0)
        return pk_fail(err, -ENOENT, "no rule begins with '%s'; see --list", only);
    (void)printf("TAP version 14\n1..%u\n", wanted);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < groups[i]->count; j++) {
            run->rule = &groups[i]->rules[j];
            if (!is_wanted(run->rule, only))
                continue;
            int32_t rc = run_rule(run, deadline, err);
            if (rc != 0)
                return rc;
            print_verdict(run, ++number);
            failed += run->verdict->outcome == VERDICT_FAILED;
        }
    }
    *ret_failed = failed;
    return 0;
}

int32_t
runner_run(const struct subject *subject, const char *only, uint32_t deadline, uint32_t *ret_failed,
           struct pk_error *err)
{
    struct run run = { .subject = subject };
    void *shared =
        mmap(NULL, sizeof(*run.verdict), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return pk_fail(err, -errno, "mmap: %s", strerror(errno));
    run.verdict = shared;
    catch_stop();
    int32_t rc = run_wanted(&run, only, deadline, ret_failed, err);
    (void)munmap(shared, sizeof(*run.verdict));
    return rc;
}
