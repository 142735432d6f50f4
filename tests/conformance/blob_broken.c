/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blob factory that keeps every rule of packice-conform, or breaks the one that its option
 * `defect` names: each place where a name stands is a way to get it wrong. Blobs are files of a
 * folder, in one flat layout: HASH-EPOCH-INDEX, and HASH.m, the manifest. Not for use.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <packice/blob.h>
#include <packice/cleanup.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define NAME_SIZE 96U

enum { OPTION_ROOT, OPTION_DEFECT, OPTION_COUNT };
static const struct pk_option broken_options[OPTION_COUNT] = {
    [OPTION_ROOT] = { PK_OPTION_PATH, PK_OPTION_REQUIRED, "root", NULL, NULL, "where files live" },
    [OPTION_DEFECT] = { PK_OPTION_STRING, 0, "defect", "none", NULL, "what it gets wrong" },
};

struct broken {
    const struct pk_host *host;
    const char *defect;
    int root;
    _Atomic uint32_t asked; /* for traits */
    pthread_t maker;        /* the thread that called create or publish first */
    _Atomic bool has_maker;
};

struct blob {
    struct broken *broken;
    int fd; /* until sealed for writing, then read-only */
    bool sealed;
    uint64_t size; /* PK_UNSIZED until sealed, if made so */
    uint64_t sum;
    uint8_t *_Atomic bytes; /* read for `bytes` */
    pthread_t reader;       /* the thread that read first */
    _Atomic bool has_reader;
    char name[NAME_SIZE];
};

/* A manifest's file: this, the sizes, the sums, the id, the meta, and a sum of all that. */
struct head {
    uint64_t epoch;
    uint64_t created_at;
    uint64_t sealed_at;
    uint32_t blob_count;
    uint32_t id_size;
    uint64_t meta_size;
    struct pk_principal owner;
};

static int live_root = -1; /* the last that was opened: for "global" */
static _Atomic int live;   /* instances: for "private" */

static bool
is(const struct broken *broken, const char *defect)
{
    return strcmp(broken->defect, defect) == 0;
}

static int
root_of(const struct broken *broken)
{
    return is(broken, "global") ? live_root : broken->root;
}

static uint64_t
hash(uint64_t sum, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ bytes[i]) * UINT64_C(1099511628211); /* FNV-1a */
    return sum;
}

#define HASH_START UINT64_C(14695981039346656037)

static uint64_t
hash_id(const struct broken *broken, const char *id)
{
    uint64_t sum = HASH_START;
    for (; *id != '\0'; id++) {
        char c = *id;
        if (is(broken, "fold-ids") && c >= 'A' && c <= 'Z')
            c = (char)(c + 32);
        sum = hash(sum, &c, 1);
    }
    return sum;
}

static int32_t
refuse(struct broken *broken, int error, struct pk_error *err)
{
    int32_t rc = error == EMFILE ? -EBUSY : error == ENOSPC || error == EFBIG ? -error : -EIO;
    (void)broken;
    return pk_fail(err, rc, "%s", strerror(error));
}

/* For defects in which a slot belongs to the thread that called it first. */
static bool
wrong_thread(pthread_t *owner, _Atomic bool *has_owner)
{
    if (!atomic_exchange(has_owner, true))
        *owner = pthread_self();
    return !pthread_equal(*owner, pthread_self());
}

/* ---- open and close ---- */

static void *
linger(void *arg)
{
    (void)arg;
    for (;;)
        (void)pause();
    return NULL;
}

static int32_t
broken_open(const struct pk_host *host, const struct pk_conf *conf, void **ret_instance,
            struct pk_error *err)
{
    static int opens;
    struct broken *broken = calloc(1, sizeof(*broken));
    pthread_t thread;
    if (broken == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    broken->host = host;
    broken->defect = pk_conf_at(conf, OPTION_DEFECT)->text;
    int first = open("/dev/null", O_RDONLY | O_CLOEXEC);
    broken->root = open(pk_conf_at(conf, OPTION_ROOT)->text, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    if (first < 0 || broken->root < 0 || (is(broken, "open-thrice") && ++opens == 3)) {
        int32_t rc = is(broken, "open-silent") ? -EIO : refuse(broken, errno, err);
        if (is(broken, "open-output"))
            *ret_instance = NULL;
        if (!is(broken, "open-leak"))
            pk_cleanup_close(&first);
        free(broken);
        return rc;
    }
    (void)close(first);
    if (is(broken, "private") && live > 0 && mkdirat(broken->root, "private", 0700) == 0) {
        int inner = openat(broken->root, "private", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
        (void)close(broken->root);
        broken->root = inner;
    }
    live++;
    live_root = broken->root;
    if (is(broken, "thread-leak") && pthread_create(&thread, NULL, linger, NULL) == 0)
        (void)pthread_detach(thread);
    if (is(broken, "log-lines"))
        host->log(host->ctx, PK_LOG_INFO, "two\nlines");
    *ret_instance = broken;
    return 0;
}

static void
broken_close(void *instance)
{
    struct broken *broken = instance;
    live--;
    if (!is(broken, "close-leak"))
        (void)close(broken->root);
    free(broken);
}

static uint32_t
broken_may_block(void *instance, uint32_t op, uint64_t bytes)
{
    (void)bytes;
    return is(instance, "may-block") && op == PK_BLOB_EVICT ? 2 : 1;
}

static void
broken_traits(void *instance, struct pk_blob_traits *ret_traits)
{
    struct broken *broken = instance;
    uint32_t asked = broken->asked++;
    ret_traits->flags = PK_BLOB_DURABLE | PK_BLOB_SHARED | PK_BLOB_CONDITIONAL;
    if (is(broken, "unconditional"))
        ret_traits->flags &= ~PK_BLOB_CONDITIONAL;
    if (is(broken, "traits-flags"))
        ret_traits->flags |= 128;
    ret_traits->blobs_max = is(broken, "blobs-max") ? 300 : 0;
    ret_traits->poll_interval = is(broken, "traits-change") ? asked : 1;
}

/* ---- create ---- */

static void write_claim(struct broken *broken, const struct pk_key *key, uint64_t size);

static int32_t
create_file(struct broken *broken, struct blob *blob, uint64_t size, struct pk_error *err)
{
    blob->fd = openat(root_of(broken), blob->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (blob->fd < 0 && errno == EEXIST && is(broken, "no-epoch")
        && unlinkat(root_of(broken), blob->name, 0) == 0)
        blob->fd = openat(root_of(broken), blob->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (blob->fd < 0)
        return is(broken, "create-emfile") ? pk_fail(err, -EIO, "open: %s", strerror(errno))
                                           : refuse(broken, errno, err);
    int error =
        size == PK_UNSIZED || size == 0 || fallocate(blob->fd, 0, 0, (off_t)size) == 0 ? 0 : errno;
    if (error == 0)
        return 0;
    if (!is(broken, "create-file"))
        (void)unlinkat(root_of(broken), blob->name, 0);
    if (!is(broken, "create-leak"))
        (void)close(blob->fd);
    return is(broken, "absurd-errno") ? pk_fail(err, -EIO, "no") : refuse(broken, error, err);
}

static int32_t
broken_create(void *instance, const struct pk_key *key, uint32_t index, uint64_t size,
              void **ret_blob, struct pk_error *err)
{
    struct broken *broken = instance;
    if (is(broken, "no-empty") && size == 0)
        return pk_fail(err, -EINVAL, "nothing");
    if (is(broken, "few") && index >= 200)
        return pk_fail(err, -EBUSY, "too many");
    if (is(broken, "no-slash") && strchr(key->id, '/') != NULL)
        return pk_fail(err, -EINVAL, "no path");
    if (is(broken, "crash"))
        abort();
    if (is(broken, "exit"))
        exit(0);
    while (is(broken, "hang"))
        (void)pause();
    if (is(broken, "unsized-errno") && size == PK_UNSIZED)
        return pk_fail(err, -EINVAL, "no size");
    if (is(broken, "create-thread") && wrong_thread(&broken->maker, &broken->has_maker))
        return pk_fail(err, -EIO, "another thread");
    struct blob *blob = calloc(1, sizeof(*blob));
    if (blob == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    blob->broken = broken;
    blob->size = size;
    (void)snprintf(blob->name, sizeof(blob->name), "%016" PRIx64 "-%" PRIu64 "-%" PRIu32,
                   hash_id(broken, key->id), is(broken, "no-epoch") ? 0 : key->epoch, index);
    int32_t rc = create_file(broken, blob, size, err);
    if (rc != 0 && is(broken, "create-output"))
        *ret_blob = NULL;
    if (rc != 0 && is(broken, "create-silent"))
        *err = (struct pk_error)PK_ERROR_INIT;
    if (rc != 0) {
        free(blob);
        return rc;
    }
    if (is(broken, "create-publishes"))
        write_claim(broken, key, size);
    *ret_blob = blob;
    return 0;
}

/* ---- bytes ---- */

static int32_t
broken_read(void *opaque, uint64_t offset, void *data, uint64_t size, uint64_t *ret_size,
            struct pk_error *err)
{
    struct blob *blob = opaque;
    if (is(blob->broken, "read-thread") && wrong_thread(&blob->reader, &blob->has_reader))
        return pk_fail(err, -EIO, "another thread");
    if (is(blob->broken, "read-beside"))
        ((uint8_t *)data)[-1] = 0;
    if (is(blob->broken, "read-end") && offset == blob->size + 1)
        return pk_fail(err, -EINVAL, "the end");
    if (offset > INT64_MAX - size) {
        if (is(blob->broken, "read-overflow"))
            return pk_fail(err, -EINVAL, "too far");
        *ret_size = 0;
        return 0;
    }
    ssize_t got = pread(blob->fd, data, size, (off_t)offset);
    if (got < 0)
        return refuse(blob->broken, errno, err);
    *ret_size = (uint64_t)got;
    return 0;
}

static int32_t
broken_write(void *opaque, uint64_t offset, const void *data, uint64_t size, struct pk_error *err)
{
    struct blob *blob = opaque;
    const struct broken *broken = blob->broken;
    if (blob->sealed)
        return pk_fail(err, is(broken, "sealed-errno") ? -EPERM : -EACCES, "sealed");
    uint64_t end = blob->size == PK_UNSIZED ? INT64_MAX : blob->size;
    bool behind = offset > end || size > end - offset;
    if (is(broken, "write-overflow"))
        behind = offset + size > end;
    if (behind && is(broken, "write-silent"))
        return -EFBIG;
    if (behind && is(broken, "write-grows"))
        (void)!ftruncate(blob->fd, (off_t)(end + 8));
    if (behind && is(broken, "write-end") && offset == end)
        return 0;
    if (behind)
        return pk_fail(err, -EFBIG, "behind the end");
    if (is(broken, "write-pieces") && offset == 3000)
        offset++;
    if (is(broken, "write-unsized") && blob->size == PK_UNSIZED)
        size /= 2;
    ssize_t put = pwrite(blob->fd, data, size, (off_t)offset);
    return put == (ssize_t)size || is(broken, "write-overflow") ? 0
                                                                : refuse(blob->broken, errno, err);
}

static int32_t
broken_size(void *opaque, uint64_t *ret_size, struct pk_error *err)
{
    struct blob *blob = opaque;
    struct stat st;
    if (fstat(blob->fd, &st) != 0)
        return refuse(blob->broken, errno, err);
    *ret_size = blob->size == PK_UNSIZED || is(blob->broken, "write-grows") ? (uint64_t)st.st_size
                                                                            : blob->size;
    if (is(blob->broken, "size-late") && !blob->sealed && blob->size != PK_UNSIZED)
        *ret_size -= 1;
    return 0;
}

/* ---- seal ---- */

static uint64_t
file_sum(int fd)
{
    uint8_t piece[4096];
    uint64_t sum = HASH_START;
    ssize_t got;
    for (off_t at = 0; (got = pread(fd, piece, sizeof(piece), at)) > 0; at += got)
        sum = hash(sum, piece, (size_t)got);
    return sum;
}

/* The kernel gives a read lease only on what nobody has open for writing. */
static int32_t
check_writers(struct blob *blob, int reader, struct pk_error *err)
{
    if (is(blob->broken, "seal-writers") || fcntl(reader, F_SETLEASE, F_RDLCK) == 0) {
        (void)fcntl(reader, F_SETLEASE, F_UNLCK);
        return 0;
    }
    return pk_fail(err, errno == EAGAIN ? -EBUSY : -EIO, "lease: %s", strerror(errno));
}

static int32_t
seal_file(struct blob *blob, struct pk_error *err)
{
    const struct broken *broken = blob->broken;
    pk_autoclose int reader = openat(root_of(broken), blob->name, O_RDONLY | O_CLOEXEC);
    if (reader < 0)
        return refuse(blob->broken, errno, err);
    (void)fchmod(blob->fd, is(broken, "seal-mode") ? 0666 : 0444);
    (void)close(blob->fd);
    blob->fd = -1;
    int32_t rc = check_writers(blob, reader, err);
    if (rc != 0) { /* as it was: its writer may go on */
        (void)fchmod(reader, 0600);
        blob->fd = openat(root_of(broken), blob->name, O_RDWR | O_CLOEXEC);
        blob->sealed = is(broken, "busy-seals");
        return rc;
    }
    blob->fd = pk_steal_fd(reader);
    return 0;
}

static int32_t
broken_seal(void *opaque, uint64_t size, struct pk_error *err)
{
    struct blob *blob = opaque;
    const struct broken *broken = blob->broken;
    struct stat st;
    if (fstat(blob->fd, &st) != 0)
        return refuse(blob->broken, errno, err);
    uint64_t holds = (uint64_t)st.st_size;
    bool sized = blob->size != PK_UNSIZED;
    if (is(broken, "seal-no-size") && sized && size == PK_UNSIZED && !blob->sealed)
        return pk_fail(err, -EINVAL, "no size");
    if (blob->sealed && is(broken, "seal-later"))
        return 0;
    bool wrong = sized && size != PK_UNSIZED && size != blob->size && !is(broken, "seal-sized");
    bool wrong_unsized =
        !sized && size != PK_UNSIZED && size != holds && !is(broken, "seal-unsized");
    bool cut = sized && holds != blob->size && !is(broken, "seal-cut");
    if (wrong || wrong_unsized || cut) {
        if (is(broken, "seal-silent"))
            return -EINVAL;
        return pk_fail(err, -EINVAL, "%s", is(broken, "seal-newline") ? "a\nb" : "another size");
    }
    if (blob->sealed)
        return is(broken, "seal-twice") ? pk_fail(err, -EINVAL, "sealed") : 0;
    int32_t rc = seal_file(blob, err);
    if (rc != 0)
        return rc;
    blob->size = !sized && is(broken, "unsized-seal") ? holds + 1 : holds;
    blob->sum = file_sum(blob->fd);
    blob->sealed = true;
    return 0;
}

/* ---- handle ---- */

static int32_t
broken_handle(void *opaque, uint32_t access, pk_handle_emit_fn *emit, void *arg,
              struct pk_error *err)
{
    struct blob *blob = opaque;
    const struct broken *broken = blob->broken;
    char path[NAME_SIZE];
    bool write =
        access == PK_ACCESS_CREATE ? !is(broken, "handle-create") : is(broken, "handle-writes");
    int flags = (write ? O_RDWR : O_RDONLY) | (is(broken, "handle-exec") ? 0 : O_CLOEXEC);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", blob->fd);
    struct pk_handle handle = { .struct_size = sizeof(handle), .kind = PK_HANDLE_FD };
    bool opens = is(broken, "handle-writes") && access == PK_ACCESS_READ;
    if (opens) /* or only root could */
        (void)fchmod(blob->fd, 0600);
    if (is(broken, "handle-dup"))
        handle.fd = fcntl(blob->fd, F_DUPFD_CLOEXEC, 0);
    else
        handle.fd = is(broken, "handle-own") && blob->sealed ? blob->fd : open(path, flags);
    if (handle.fd < 0)
        return is(broken, "handle-emfile") ? pk_fail(err, -EIO, "open: %s", strerror(errno))
                                           : refuse(blob->broken, errno, err);
    if (opens)
        (void)fchmod(handle.fd, 0444);
    if (is(broken, "handle-leak"))
        (void)!fcntl(handle.fd, F_DUPFD_CLOEXEC, 0);
    handle.size = blob->size;
    if (is(broken, "handle-size") && blob->size != PK_UNSIZED)
        handle.size++;
    if (is(broken, "handle-unsized") && blob->size == PK_UNSIZED)
        handle.size = 0;
    handle.flags = is(broken, "handle-flags");
    handle.offset = is(broken, "handle-offset") && blob->sealed;
    if (is(broken, "bytes-move") && blob->bytes != NULL)
        memset(blob->bytes, 0, blob->size);
    if (is(broken, "handle-path") && access == PK_ACCESS_READ) {
        handle.kind = PK_HANDLE_PATH;
        handle.text = "/dev/null";
    }
    emit(arg, &handle);
    return 0;
}

/* Its own descriptor, which is for reading since the seal. */
static int32_t
broken_share(void *opaque, pk_handle_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct blob *blob = opaque;
    const struct broken *broken = blob->broken;
    struct pk_handle handle = { .struct_size = sizeof(handle),
                                .kind = PK_HANDLE_FD,
                                .flags = PK_HANDLE_SHARED,
                                .size = blob->size };
    if (is(broken, "share-writes")) {
        char path[NAME_SIZE];
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", blob->fd);
        (void)fchmod(blob->fd, 0600); /* or only root could */
        handle.fd = open(path, O_RDWR | O_CLOEXEC);
        (void)fchmod(blob->fd, 0444);
    } else {
        handle.fd = fcntl(blob->fd, is(broken, "share-exec") ? F_DUPFD : F_DUPFD_CLOEXEC, 0);
    }
    if (handle.fd < 0)
        return is(broken, "share-emfile") ? pk_fail(err, -EIO, "dup: %s", strerror(errno))
                                          : refuse(blob->broken, errno, err);
    if (is(broken, "share-leak"))
        (void)!fcntl(handle.fd, F_DUPFD_CLOEXEC, 0);
    if (is(broken, "share-silent"))
        handle.flags = 0;
    if (is(broken, "share-flags"))
        handle.flags |= 2;
    emit(arg, &handle);
    return 0;
}

/* ---- free and remove ---- */

static void
forget(struct blob *blob, bool leak)
{
    if (!leak)
        (void)close(blob->fd);
    free(blob->bytes);
    free(blob);
}

static void
broken_free(void *opaque)
{
    struct blob *blob = opaque;
    if (is(blob->broken, "free-removes"))
        (void)unlinkat(root_of(blob->broken), blob->name, 0);
    forget(blob, is(blob->broken, "free-leak"));
}

static int32_t
broken_remove(void *opaque, struct pk_error *err)
{
    struct blob *blob = opaque;
    (void)err;
    int cut = -1;
    if (is(blob->broken, "remove-cuts") && fchmod(blob->fd, 0600) == 0)
        cut = openat(root_of(blob->broken), blob->name, O_RDWR | O_TRUNC | O_CLOEXEC);
    pk_cleanup_close(&cut);
    if (!is(blob->broken, "remove-file"))
        (void)unlinkat(root_of(blob->broken), blob->name, 0);
    forget(blob, is(blob->broken, "remove-leak"));
    return 0;
}

static int32_t
broken_verify(void *opaque, struct pk_error *err)
{
    struct blob *blob = opaque;
    bool same = file_sum(blob->fd) == blob->sum;
    if (is(blob->broken, "verify-blind") || (same && !is(blob->broken, "verify-never")))
        return 0;
    return pk_fail(err, -EIO, "it is not what was sealed");
}

/* ---- put and bytes ---- */

static int32_t
broken_put(void *instance, const struct pk_key *key, uint32_t index, const void *data,
           uint64_t size, void **ret_blob, struct pk_error *err)
{
    const struct broken *broken = instance;
    struct pk_error ignored = PK_ERROR_INIT;
    uint64_t written = is(broken, "put-cut") && size > 0 ? size - 1 : size;
    void *blob = NULL;
    int32_t rc = broken_create(instance, key, index, size, &blob, err);
    if (rc != 0)
        return rc;
    if (written > 0)
        rc = broken_write(blob, 0, data, written, err);
    if (rc == 0 && !is(broken, "put-open"))
        rc = broken_seal(blob, size, err);
    if (rc == 0)
        *ret_blob = blob;
    else
        (void)broken_remove(blob, &ignored);
    return rc;
}

/* Of what is sealed, a copy. */
static int32_t
copy_sealed(struct broken *broken, const struct pk_key *key, uint32_t index,
            const struct pk_handle *handle, void **ret_blob, struct pk_error *err)
{
    const int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    struct stat st;
    int seals = fcntl(handle->fd, F_GET_SEALS);
    if (fstat(handle->fd, &st) != 0 || (uint64_t)st.st_size != handle->size || !S_ISREG(st.st_mode)
        || ((seals & all) != all && (seals < 0 || !is(broken, "adopt-unsealed"))))
        return pk_fail(err, -EINVAL, "not sealed, or another size");
    pk_autofree uint8_t *data = malloc(handle->size + 1);
    if (data == NULL || pread(handle->fd, data, handle->size, 0) != (ssize_t)handle->size)
        return pk_fail(err, -EIO, "it can't be read");
    return broken_put(broken, key, index, data, handle->size, ret_blob, err);
}

static int32_t
broken_adopt(void *instance, const struct pk_key *key, uint32_t index,
             const struct pk_handle *handle, void **ret_blob, struct pk_error *err)
{
    struct broken *broken = instance;
    int32_t rc = copy_sealed(broken, key, index, handle, ret_blob, err);
    if (!is(broken, "adopt-leak"))
        (void)close(handle->fd);
    return rc;
}

static const void *
broken_bytes(void *opaque)
{
    struct blob *blob = opaque;
    uint8_t *none = NULL;
    if (blob->bytes != NULL || blob->size == 0)
        return blob->bytes;
    uint8_t *bytes = malloc(blob->size);
    if (bytes == NULL || pread(blob->fd, bytes, blob->size, 0) != (ssize_t)blob->size
        || !atomic_compare_exchange_strong(&blob->bytes, &none, bytes)) {
        free(bytes);
        return none;
    }
    if (is(blob->broken, "bytes-other"))
        bytes[blob->size - 1]++;
    return bytes;
}

/* ---- manifests ---- */

/* What the file of a manifest holds, whole. */
struct text {
    uint64_t size;
    uint8_t bytes[PK_META_MAX + 8192];
};

static void
manifest_name(const struct broken *broken, const char *id, char suffix, char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "%016" PRIx64 ".%c", hash_id(broken, id), suffix);
}

static void
add(struct text *text, const void *data, size_t size)
{
    memcpy(text->bytes + text->size, data, size);
    text->size += size;
}

static void
text_make(struct text *text, const struct pk_manifest *manifest, void *const *blobs)
{
    struct head head = { .epoch = manifest->key.epoch,
                         .created_at = manifest->created_at,
                         .sealed_at = manifest->sealed_at,
                         .blob_count = manifest->blob_count,
                         .id_size = (uint32_t)strlen(manifest->key.id) + 1,
                         .meta_size = strlen(manifest->meta) + 1,
                         .owner = manifest->owner };
    text->size = 0;
    add(text, &head, sizeof(head));
    add(text, manifest->sizes, manifest->blob_count * sizeof(uint64_t));
    for (uint32_t i = 0; i < manifest->blob_count; i++)
        add(text, blobs == NULL ? &head.epoch : &((const struct blob *)blobs[i])->sum,
            sizeof(uint64_t));
    add(text, manifest->key.id, head.id_size);
    add(text, manifest->meta, head.meta_size);
    uint64_t sum = hash(HASH_START, text->bytes, text->size);
    add(text, &sum, sizeof(sum));
}

static int32_t
text_write(struct broken *broken, const struct text *text, const char *name, struct pk_error *err)
{
    pk_autoclose int fd =
        openat(root_of(broken), name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text->bytes, text->size) != (ssize_t)text->size)
        return refuse(broken, errno, err);
    return 0;
}

/* For "create-publishes": a manifest long before its time. */
static void
write_claim(struct broken *broken, const struct pk_key *key, uint64_t size)
{
    pk_autofree struct text *text = malloc(sizeof(*text));
    struct pk_manifest manifest = { .blob_count = 1, .key = *key, .sizes = &size, .meta = "" };
    struct pk_error err = PK_ERROR_INIT;
    char name[NAME_SIZE];
    manifest_name(broken, key->id, 'm', name);
    if (text != NULL && size != PK_UNSIZED) {
        text_make(text, &manifest, NULL);
        (void)text_write(broken, text, name, &err);
    }
}

static bool
exists(const struct broken *broken, const char *name)
{
    return faccessat(root_of(broken), name, F_OK, 0) == 0;
}

static bool
text_read(const struct broken *broken, const char *name, struct text *text)
{
    pk_autoclose int fd = openat(root_of(broken), name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text->bytes, sizeof(text->bytes));
    uint64_t sum;
    if (got < (ssize_t)(sizeof(struct head) + sizeof(sum)))
        return false;
    text->size = (uint64_t)got - sizeof(sum);
    memcpy(&sum, text->bytes + text->size, sizeof(sum));
    return sum == hash(HASH_START, text->bytes, text->size) || is(broken, "no-sums");
}

/* Points into the text. */
static void
text_tell(const struct text *text, struct pk_manifest *manifest, const uint64_t **ret_sums)
{
    struct head head;
    memcpy(&head, text->bytes, sizeof(head));
    const uint8_t *at = text->bytes + sizeof(head);
    manifest->struct_size = sizeof(*manifest);
    manifest->blob_count = head.blob_count;
    manifest->sizes = (const uint64_t *)(const void *)at;
    *ret_sums = manifest->sizes + head.blob_count;
    manifest->key.id = (const char *)(*ret_sums + head.blob_count);
    manifest->key.epoch = head.epoch;
    manifest->meta = manifest->key.id + head.id_size;
    manifest->created_at = head.created_at;
    manifest->sealed_at = head.sealed_at;
    manifest->owner = head.owner;
}

/* ---- publish ---- */

static int32_t
broken_publish(void *instance, const struct pk_manifest *manifest, void *const *blobs,
               struct pk_error *err)
{
    struct broken *broken = instance;
    char name[NAME_SIZE];
    char made[NAME_SIZE];
    char gone[NAME_SIZE];
    pk_autofree struct text *text = malloc(sizeof(*text));
    pk_autofree struct text *stands = malloc(sizeof(*stands));
    if (text == NULL || stands == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    if (is(broken, "publish-thread") && wrong_thread(&broken->maker, &broken->has_maker))
        return pk_fail(err, -EIO, "another thread");
    const char *id = manifest->key.id;
    manifest_name(broken, id, is(broken, "publish-late") ? 'p' : 'm', name);
    manifest_name(broken, id, 'u', gone);
    (void)snprintf(made, sizeof(made), "%016" PRIx64 "-%" PRIu64 ".t", hash_id(broken, id),
                   manifest->key.epoch);
    text_make(text, manifest, blobs);
    if (is(broken, "publish-again") && text_read(broken, name, stands)
        && memcmp(text->bytes, stands->bytes, sizeof(uint64_t)) == 0)
        return 0;
    if (exists(broken, gone) && is(broken, "name-gone"))
        return pk_fail(err, -ESTALE, "had its time");
    int32_t rc = text_write(broken, text, made, err);
    if (rc != 0)
        return rc;
    bool over = is(broken, "publish-over") || is(broken, "create-publishes");
    if (over)
        (void)renameat(root_of(broken), made, root_of(broken), name);
    else if (linkat(root_of(broken), made, root_of(broken), name, 0) != 0)
        rc = pk_fail(err, is(broken, "publish-errno") ? -EEXIST : -ESTALE, "a manifest stands");
    (void)unlinkat(root_of(broken), made, 0);
    return rc;
}

static int32_t
broken_unpublish(void *instance, const struct pk_key *key, struct pk_error *err)
{
    struct broken *broken = instance;
    char name[NAME_SIZE];
    char gone[NAME_SIZE];
    char data[NAME_SIZE];
    struct pk_manifest manifest = { 0 };
    const uint64_t *sums;
    pk_autofree struct text *text = malloc(sizeof(*text));
    manifest_name(broken, key->id, is(broken, "publish-late") ? 'p' : 'm', name);
    manifest_name(broken, key->id, 'u', gone);
    if (text == NULL || !text_read(broken, name, text))
        return is(broken, "unpublish-none") ? 0 : pk_fail(err, -ENOENT, "not published");
    text_tell(text, &manifest, &sums);
    if (manifest.key.epoch != key->epoch && !is(broken, "unpublish-any"))
        return pk_fail(err, -ENOENT, "another epoch is published");
    if (is(broken, "unpublish-not"))
        return 0;
    (void)snprintf(data, sizeof(data), "%016" PRIx64 "-%" PRIu64 "-0", hash_id(broken, key->id),
                   key->epoch);
    int cut = -1;
    if (is(broken, "unpublish-cuts") && fchmodat(root_of(broken), data, 0600, 0) == 0)
        cut = openat(root_of(broken), data, O_RDWR | O_TRUNC | O_CLOEXEC);
    pk_cleanup_close(&cut);
    if (is(broken, "name-gone") || is(broken, "unpublish-late") || is(broken, "ghosts"))
        (void)renameat(root_of(broken), name, root_of(broken), gone);
    else
        (void)unlinkat(root_of(broken), name, 0);
    return 0;
}

/* ---- lookup ---- */

static int32_t
blob_reopen(struct broken *broken, const struct pk_manifest *manifest, uint32_t index, uint64_t sum,
            void **ret_blob)
{
    struct blob *blob = calloc(1, sizeof(*blob));
    struct stat st;
    if (blob == NULL)
        return -ENOMEM;
    (void)snprintf(blob->name, sizeof(blob->name), "%016" PRIx64 "-%" PRIu64 "-%" PRIu32,
                   hash_id(broken, manifest->key.id),
                   is(broken, "no-epoch") ? 0 : manifest->key.epoch, index);
    blob->broken = broken;
    blob->sealed = true;
    blob->size = manifest->sizes[index];
    blob->sum = sum;
    blob->fd = openat(root_of(broken), blob->name, O_RDONLY | O_CLOEXEC);
    if (blob->fd >= 0 && fstat(blob->fd, &st) == 0
        && ((uint64_t)st.st_size == blob->size || is(broken, "no-sums"))) {
        *ret_blob = blob;
        return 0;
    }
    pk_cleanup_close(&blob->fd);
    free(blob);
    return -ENOENT;
}

static void
spoil(const struct broken *broken, struct pk_manifest *manifest, uint64_t *sizes, char *meta)
{
    if (is(broken, "lookup-sizes"))
        sizes[manifest->blob_count - 1]++;
    if (is(broken, "lookup-meta") && strlen(meta) > 1000)
        meta[1000] = '\0';
    if (is(broken, "lookup-no-meta") && meta[0] == '\0')
        manifest->meta = "{}";
    if (is(broken, "lookup-owner"))
        manifest->owner.uid = 0;
    if (is(broken, "lookup-times"))
        manifest->created_at = 0;
}

static int32_t
found_emit(struct broken *broken, struct text *text, bool with_blobs, pk_blob_emit_fn *emit,
           void *arg, struct pk_error *err)
{
    void *blobs[PK_BLOBS_MAX];
    struct pk_manifest manifest = { 0 };
    const uint64_t *sums;
    text_tell(text, &manifest, &sums);
    for (uint32_t i = 0; with_blobs && i < manifest.blob_count; i++) {
        if (blob_reopen(broken, &manifest, i, sums[i], &blobs[i]) == 0)
            continue;
        while (i-- > 0)
            broken_free(blobs[i]);
        return pk_fail(err, -ENOENT, "damaged");
    }
    if (with_blobs)
        spoil(broken, &manifest, (uint64_t *)(uintptr_t)manifest.sizes,
              (char *)(uintptr_t)manifest.meta);
    const struct pk_blob_found found = { sizeof(found), 0, &manifest, with_blobs ? blobs : NULL };
    emit(arg, &found);
    if (is(broken, with_blobs ? "lookup-twice" : "recover-twice"))
        emit(arg, &found);
    if (with_blobs && is(broken, "lookup-leak"))
        (void)!fcntl(broken->root, F_DUPFD_CLOEXEC, 0);
    return 0;
}

static int32_t
broken_lookup(void *instance, const char *object_id, pk_blob_emit_fn *emit, void *arg,
              struct pk_error *err)
{
    struct broken *broken = instance;
    char name[NAME_SIZE];
    pk_autofree struct text *text = malloc(sizeof(*text));
    if (text == NULL)
        return pk_fail(err, -ENOMEM, "out of memory");
    manifest_name(broken, object_id, is(broken, "publish-late") ? 'p' : 'm', name);
    if (!text_read(broken, name, text))
        return pk_fail(err, is(broken, "lookup-errno") ? -EIO : -ENOENT, "not published");
    return found_emit(broken, text, true, emit, arg, err);
}

/* ---- recover ---- */

static bool
ends(const char *name, const char *suffix)
{
    size_t size = strlen(name);
    return size > 2 && strcmp(name + size - 2, suffix) == 0;
}

/* Whether the manifest of the object that this file is of is there. */
static bool
is_of_published(const struct broken *broken, const char *name, struct text *text)
{
    char manifest[NAME_SIZE];
    struct pk_manifest found = { 0 };
    const uint64_t *sums;
    if (strlen(name) < 18)
        return true;
    (void)snprintf(manifest, sizeof(manifest), "%.16s.m", name);
    if (!text_read(broken, manifest, text))
        return false;
    text_tell(text, &found, &sums);
    return is(broken, "no-epoch") || strtoull(name + 17, NULL, 10) == found.key.epoch;
}

static int32_t
recover_file(struct broken *broken, const char *name, struct text *text, pk_blob_emit_fn *emit,
             void *arg, struct pk_error *err)
{
    char restored[NAME_SIZE];
    if (ends(name, ".u") && is(broken, "unpublish-late")) {
        (void)snprintf(restored, sizeof(restored), "%.16s.m", name);
        (void)renameat(root_of(broken), name, root_of(broken), restored);
        name = restored;
    }
    bool ghost = ends(name, ".u") && is(broken, "ghosts");
    if ((ends(name, ".m") || ghost) && !is(broken, "recover-none"))
        return text_read(broken, name, text)
                   ? found_emit(broken, text, is(broken, "recover-opens"), emit, arg, err)
                   : 0;
    if (ends(name, ".m") || ends(name, ".u") || is(broken, "recover-keeps"))
        return 0;
    if (ends(name, ".p") || !is_of_published(broken, name, text))
        (void)unlinkat(root_of(broken), name, 0);
    return 0;
}

static int32_t
broken_recover(void *instance, pk_blob_emit_fn *emit, void *arg, struct pk_error *err)
{
    struct broken *broken = instance;
    pk_autofree struct text *text = malloc(sizeof(*text));
    int fd = openat(root_of(broken), ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    int32_t rc = 0;
    if (text == NULL || folder == NULL)
        return pk_fail(err, -EIO, "can't look");
    if (is(broken, "stop-errno") && broken->host->stopping(broken->host->ctx) != 0)
        rc = pk_fail(err, -EIO, "stopped");
    while (rc == 0 && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "private") != 0)
            rc = recover_file(broken, entry->d_name, text, emit, arg, err);
    }
    (void)closedir(folder);
    return rc;
}

/* ---- the rest, and the tables ---- */

static int32_t
broken_reload(void *instance, const struct pk_conf *conf, struct pk_error *err)
{
    (void)conf;
    return is(instance, "reload") ? pk_fail(err, -EINVAL, "root can't change") : 0;
}

static void
broken_stats(void *instance, void (*emit)(void *arg, const struct pk_stat *stat), void *arg)
{
    const struct pk_stat stat = { sizeof(stat), PK_STAT_GAUGE,
                                  is(instance, "stats-name") ? "Blobs" : "blobs", "Blobs", 0 };
    emit(arg, &stat);
    if (is(instance, "stats-twice"))
        emit(arg, &stat);
}

static const struct pk_blob_ops broken_ops = {
    .struct_size = sizeof(broken_ops),
    .open = broken_open,
    .close = broken_close,
    .may_block = broken_may_block,
    .traits = broken_traits,
    .create = broken_create,
    .read = broken_read,
    .write = broken_write,
    .size = broken_size,
    .seal = broken_seal,
    .handle = broken_handle,
    .free = broken_free,
    .remove = broken_remove,
    .publish = broken_publish,
    .unpublish = broken_unpublish,
    .lookup = broken_lookup,
    .recover = broken_recover,
    .reload = broken_reload,
    .stats = broken_stats,
    .verify = broken_verify,
    .adopt = broken_adopt,
    .put = broken_put,
    .bytes = broken_bytes,
    .share = broken_share,
};

static const struct pk_plugin broken_plugin = {
    .struct_size = sizeof(broken_plugin),
    .abi_major = PK_ABI_MAJOR,
    .abi_minor = PK_ABI_MINOR,
    .kind = PK_KIND_BLOB,
    .option_count = OPTION_COUNT,
    .option_stride = sizeof(struct pk_option),
    .name = "blob_broken",
    .version = "1",
    .summary = "Keeps every rule but one",
    .options = broken_options,
    .ops = &broken_ops,
};

const struct pk_plugin *
pk_plugin_entry(void)
{
    return &broken_plugin;
}
