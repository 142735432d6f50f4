/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes over a folder of their own, for the tests of blob_fs.
 */
#include "blob_fs_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char fs_root[64];
static int descriptors;
static uint64_t lives; /* so that no two instances have the same token */

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

void
fs_setup(void)
{
    (void)snprintf(fs_root, sizeof(fs_root), "%s/packice-fs-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(fs_root));
    descriptors = fake_open_descriptors();
}

void
fs_teardown(void)
{
    ck_assert_int_eq(fake_open_descriptors(), descriptors);
    ck_assert_int_eq(nftw(fs_root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

void
fs_prepare(struct fs_node *node)
{
    const struct pk_plugin *plugin = blob_fs_entry();
    memset(node, 0, sizeof(*node));
    fake_factory_host_init(&node->fake, plugin);
    node->fake.draws = ((uint64_t)getpid() << 20) + (++lives << 10);
    fake_factory_host_set_text(&node->fake, "root", fs_root);
    fake_factory_host_set_text(&node->fake, "mode", "0644");
    fake_factory_host_set(&node->fake, "sync", 1);
    fake_factory_host_set(&node->fake, "poll", 200000000);
    fake_factory_host_set(&node->fake, "claim_timeout", 60000000000);
    node->ops = plugin->ops;
    node->err = (struct pk_error)PK_ERROR_INIT;
}

int32_t
fs_try_open(struct fs_node *node)
{
    return node->ops->open(&node->fake.host, &node->fake.conf, &node->fs, &node->err);
}

static void
must(struct fs_node *node, int32_t rc)
{
    ck_assert_msg(rc == 0, "%d: %s", rc, node->err.message);
}

void
fs_open(struct fs_node *node)
{
    fs_prepare(node);
    must(node, fs_try_open(node));
}

void
fs_open_shared(struct fs_node *node)
{
    fs_prepare(node);
    fake_factory_host_set(&node->fake, "shared", 1);
    must(node, fs_try_open(node));
}

void
fs_close(struct fs_node *node)
{
    node->ops->close(node->fs);
}

void
fs_crash(void (*steps)(struct fs_node *node), bool shared)
{
    pid_t child = fork();
    int status = 0;
    if (child == 0) {
        struct fs_node node;
        if (shared)
            fs_open_shared(&node);
        else
            fs_open(&node);
        steps(&node);
        _exit(0);
    }
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %d", status);
    lives++;
}

int32_t
fs_try_create(struct fs_node *node, const char *id, uint64_t epoch, uint32_t index, uint64_t size,
              void **ret_blob)
{
    const struct pk_key key = { id, epoch };
    return node->ops->create(node->fs, &key, index, size, ret_blob, &node->err);
}

void *
fs_create_blob(struct fs_node *node, const char *id, uint64_t epoch, uint64_t size)
{
    void *blob = NULL;
    must(node, fs_try_create(node, id, epoch, 0, size, &blob));
    ck_assert_ptr_nonnull(blob);
    return blob;
}

void
fs_write_blob(struct fs_node *node, void *blob, const char *text)
{
    must(node, node->ops->write(blob, 0, text, strlen(text), &node->err));
}

int32_t
fs_try_put(struct fs_node *node, const char *id, uint64_t epoch, const char *text, void **ret_blob)
{
    const struct pk_key key = { id, epoch };
    return node->ops->put(node->fs, &key, 0, text, strlen(text), ret_blob, &node->err);
}

void
fs_seal_blob(struct fs_node *node, void *blob)
{
    must(node, node->ops->seal(blob, PK_UNSIZED, &node->err));
}

int32_t
fs_try_publish(struct fs_node *node, const char *id, uint64_t epoch, uint64_t size, void *blob)
{
    const struct pk_manifest manifest = {
        .struct_size = sizeof(manifest),
        .blob_count = 1,
        .key = { id, epoch },
        .sizes = &size,
        .meta = "{\"a\": \"\xc3\xa4\"}",
        .created_at = 1111,
        .sealed_at = 2222,
        .owner = { .struct_size = sizeof(manifest.owner),
                   .kind = PK_PRINCIPAL_UNIX,
                   .uid = 17,
                   .gid = 18 },
    };
    return node->ops->publish(node->fs, &manifest, &blob, &node->err);
}

void *
fs_store(struct fs_node *node, const char *id, uint64_t epoch, const char *text)
{
    void *blob = fs_create_blob(node, id, epoch, strlen(text));
    fs_write_blob(node, blob, text);
    fs_seal_blob(node, blob);
    must(node, fs_try_publish(node, id, epoch, strlen(text), blob));
    return blob;
}

void
fs_keep(struct fs_node *node, const char *id, uint64_t epoch, const char *text)
{
    node->ops->free(fs_store(node, id, epoch, text));
}

struct kept_handle {
    int fd;
    char *path;
};

static void
keep_handle(void *arg, const struct pk_handle *handle)
{
    struct kept_handle *kept = arg;
    ck_assert_uint_eq(handle->struct_size, sizeof(*handle));
    ck_assert_uint_eq(handle->kind, PK_HANDLE_PATH);
    ck_assert_int_eq(fcntl(handle->fd, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(handle->text[0], '/');
    kept->fd = handle->fd;
    if (kept->path != NULL)
        (void)snprintf(kept->path, PATH_MAX, "%s", handle->text);
}

int
fs_fd(struct fs_node *node, void *blob, uint32_t access, char *ret_path)
{
    struct kept_handle kept = { -1, ret_path };
    must(node, node->ops->handle(blob, access, keep_handle, &kept, &node->err));
    return kept.fd;
}

static void
take_found(void *arg, const struct pk_blob_found *found)
{
    struct fs_found *take = arg;
    const struct pk_manifest *manifest = found->manifest;
    take->count++;
    take->epoch = manifest->key.epoch;
    take->blob_count = manifest->blob_count;
    take->size = manifest->sizes[0];
    take->owner = manifest->owner;
    (void)snprintf(take->meta, sizeof(take->meta), "%s", manifest->meta);
    for (uint32_t i = 0; found->blobs != NULL && i < manifest->blob_count; i++)
        take->more[i] = found->blobs[i];
    take->blob = take->more[0];
}

int32_t
fs_find(struct fs_node *node, const char *id, struct fs_found *ret_found)
{
    memset(ret_found, 0, sizeof(*ret_found));
    return node->ops->lookup(node->fs, id, take_found, ret_found, &node->err);
}

void
fs_forget(struct fs_node *node, struct fs_found *found)
{
    for (uint32_t i = 0; i < found->blob_count; i++)
        node->ops->free(found->more[i]);
}

void
fs_assert_holds(struct fs_node *node, const char *id, uint64_t epoch, const char *text)
{
    struct fs_found found;
    char got[256];
    uint64_t size = 0;
    must(node, fs_find(node, id, &found));
    ck_assert_uint_eq(found.count, 1);
    ck_assert_uint_eq(found.epoch, epoch);
    must(node, node->ops->read(found.blob, 0, got, sizeof(got), &size, &node->err));
    ck_assert_uint_eq(size, strlen(text));
    ck_assert_int_eq(memcmp(got, text, size), 0);
    fs_forget(node, &found);
}

void
fs_assert_missing(struct fs_node *node, const char *id)
{
    struct fs_found found;
    int32_t rc = fs_find(node, id, &found);
    ck_assert_msg(rc == -ENOENT, "%d: %s", rc, node->err.message);
    ck_assert_uint_eq(found.count, 0);
}

static void
count_found(void *arg, const struct pk_blob_found *found)
{
    ck_assert_ptr_null(found->blobs);
    ck_assert_ptr_nonnull(found->manifest->key.id);
    ++*(uint32_t *)arg;
}

uint32_t
fs_recover_all(struct fs_node *node)
{
    uint32_t count = 0;
    must(node, node->ops->recover(node->fs, count_found, &count, &node->err));
    return count;
}

void
fs_discard(struct fs_node *node, const char *id, uint64_t epoch, void *blob)
{
    const struct pk_key key = { id, epoch };
    must(node, node->ops->unpublish(node->fs, &key, &node->err));
    must(node, node->ops->remove(blob, &node->err));
}

/* ---- looks at the folder ---- */

static struct {
    const char *what;
    uint32_t count;
    char path[PATH_MAX];
} look;

static int
look_at(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    if (kind != FTW_D && strstr(path + walk->base, look.what) != NULL) {
        look.count++;
        (void)snprintf(look.path, sizeof(look.path), "%s", path);
    }
    return 0;
}

uint32_t
fs_count(const char *part, const char *what)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/%s", fs_root, part);
    look.what = what;
    look.count = 0;
    int rc = nftw(path, look_at, 4, FTW_PHYS);
    ck_assert_msg(rc == 0, "%s: %s", path, strerror(errno));
    return look.count;
}

void
fs_path_of(const char *part, const char *what, char *ret_path)
{
    ck_assert_uint_eq(fs_count(part, what), 1);
    memcpy(ret_path, look.path, strlen(look.path) + 1);
}

void
fs_write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(close(fd), 0);
}
