/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values that cross the ABI and that no single kind of plugin owns: errors, handles, objects,
 * leases, callers, requests and replies. Everything here is fixed width, begins with its own size
 * where it may grow, and grows only at its end. It never declares a function that needs linking.
 */
#ifndef PACKICE_TYPES_H
#define PACKICE_TYPES_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of every table in <packice/...>. The major must match; minors only add at the end.
 * Major 0 may still change between releases. */
#define PK_ABI_MAJOR 0
#define PK_ABI_MINOR 1

/* Bounds, in bytes without the NUL unless said otherwise. Whoever receives text checks them. */
#define PK_ID_MAX 255         /* object ids: 1 to 255 bytes of UTF-8 */
#define PK_LEASE_ID_LEN 36    /* lease ids: UUIDv4 in lower-case text form */
#define PK_REQUEST_ID_MAX 128 /* request ids: 1 to 128 bytes */
#define PK_META_MAX 65536     /* meta: bounded text, opaque below the wire */
#define PK_BLOBS_MAX 253      /* blobs of one object: what one SCM_RIGHTS message carries */
#define PK_LIST_MAX 1000      /* objects in one list reply */
#define PK_SIZE_MAX INT64_MAX /* bytes of one blob, and of one object */

/* "No such size": a blob created without one. In a ttl or deadline: never ends. */
#define PK_UNSIZED UINT64_MAX
#define PK_FOREVER UINT64_MAX

/*
 * Errors. Every fallible call returns 0 or a negative errno and explains itself in a caller-owned
 * pk_error. These errnos have a meaning of their own throughout; any other one is `internal`:
 *
 *   EINVAL invalid          ENOENT not_found        EEXIST exists        EAGAIN not_sealed
 *   ESTALE lease_not_found  EACCES access_denied    EBUSY  busy          ENOSPC no_space
 *   EFBIG  too_large        EKEYREJECTED unauthorized                    EOPNOTSUPP unsupported
 *   ETIMEDOUT timeout       EIO    io
 */
struct pk_error {
    uint32_t struct_size; /* set by the caller: sizeof(struct pk_error) */
    int32_t code;         /* what the failing call returned; 0 if nothing failed yet */
    char message[256];    /* one line, no newline, always NUL-terminated; shown to people */
};

#define PK_ERROR_INIT \
    { \
        (uint32_t)sizeof(struct pk_error), 0, "" \
    }

/* Begins an error as PK_ERROR_INIT does, without writing to all of it: where that counts. */
static inline void
pk_error_init(struct pk_error *err)
{
    err->struct_size = (uint32_t)sizeof(*err);
    err->code = 0;
    err->message[0] = '\0';
}

/* Formats into err (which may be NULL) and returns code, so that a failing path is one line.
 * Any thread; never blocks; cuts a message that is too long. */
__attribute__((format(printf, 3, 4))) static inline int32_t
pk_fail(struct pk_error *err, int32_t code, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        err->code = code;
        if (vsnprintf(err->message, sizeof(err->message), format, args) < 0)
            err->message[0] = '\0';
        va_end(args);
    }
    return code;
}

/* What a lease allows. */
#define PK_ACCESS_READ 1U
#define PK_ACCESS_CREATE 2U

/* Where an object is in its life. */
#define PK_STATE_CREATING 1U
#define PK_STATE_SEALED 2U

/* How a caller reaches the bytes of one blob. */
#define PK_HANDLE_FD 1U    /* an open descriptor; it belongs to whoever receives the handle */
#define PK_HANDLE_PATH 2U  /* an absolute path on this machine; valid as long as the lease */
#define PK_HANDLE_URL 3U   /* an absolute URL; valid as long as the lease, and until expires_at */
#define PK_HANDLE_DATA 4U  /* the bytes themselves, in this process; borrowed for the call */
#define PK_HANDLE_KNOWN 5U /* the one that the caller has already: it asked with known_epoch */

/* fd's open file description is others' too, who may change its offset, its status flags and its
 * locks at any time: for mmap(2), pread(2) and the like alone. */
#define PK_HANDLE_SHARED 1U

struct pk_handle {
    uint32_t struct_size;
    uint32_t kind;       /* PK_HANDLE_* */
    int32_t fd;          /* FD: owned by the receiver, CLOEXEC, an open file description of its
                            own. PATH: such a descriptor of the same file, or -1. Others: -1 */
    uint32_t flags;      /* PK_HANDLE_SHARED, where it was asked for; else 0 */
    const char *text;    /* PATH, URL: NUL-terminated, borrowed for the call; else NULL */
    uint64_t offset;     /* where the blob starts behind the handle, bytes */
    uint64_t size;       /* of the blob, bytes; PK_UNSIZED while it has none */
    uint64_t expires_at; /* URL: CLOCK_REALTIME nanoseconds; 0 = with the lease */
    const void *data;    /* DATA: size bytes; else NULL */
};

/* Who a caller is, as far as its transport can prove it. */
#define PK_PRINCIPAL_ANONYMOUS 0U
#define PK_PRINCIPAL_UNIX 1U  /* uid, gid and pid come from the kernel */
#define PK_PRINCIPAL_TOKEN 2U /* name is that of a token or certificate */

struct pk_principal {
    uint32_t struct_size;
    uint32_t kind; /* PK_PRINCIPAL_* */
    uint32_t uid;  /* UNIX; else UINT32_MAX */
    uint32_t gid;  /* UNIX; else UINT32_MAX */
    uint32_t pid;  /* UNIX, may be reused by the kernel: for logs only; else 0 */
    uint32_t reserved;
    char name[64]; /* TOKEN: NUL-terminated; else "" */
};

/* An object's identity. A pair is given once and never again, so one that is gone can't be mistaken
 * for its successor of the same id. An epoch alone is none: nodes that share storage may each count
 * by themselves. */
struct pk_key {
    const char *id; /* NUL-terminated, 1..PK_ID_MAX bytes of UTF-8, no control characters; it may
                       hold '/' or be "..": never a path */
    uint64_t epoch; /* > 0 */
};

/* All that must be kept of a sealed object beside its bytes. */
struct pk_manifest {
    uint32_t struct_size;
    uint32_t blob_count; /* 1..PK_BLOBS_MAX */
    struct pk_key key;
    const uint64_t *sizes; /* blob_count sizes, bytes */
    const char *meta;      /* NUL-terminated, at most PK_META_MAX bytes; "" if none */
    uint64_t created_at;   /* CLOCK_REALTIME nanoseconds */
    uint64_t sealed_at;    /* CLOCK_REALTIME nanoseconds */
    struct pk_principal owner;
};

/* One lease, as a lease factory tells of it. */
struct pk_lease {
    uint32_t struct_size;
    uint32_t access; /* PK_ACCESS_* */
    char lease_id[PK_LEASE_ID_LEN + 1];
    char object_id[PK_ID_MAX + 1];
    uint64_t epoch;
    uint64_t ttl;        /* nanoseconds; PK_FOREVER = ends only when released */
    uint64_t expires_at; /* CLOCK_MONOTONIC nanoseconds; PK_FOREVER as above */
};

/* ---- requests and replies: what a transport asks of the peer ---- */

#define PK_VERB_ACQUIRE 1U
#define PK_VERB_SEAL 2U
#define PK_VERB_RENEW 3U
#define PK_VERB_RELEASE 4U
#define PK_VERB_DISCARD 5U
#define PK_VERB_STAT 6U
#define PK_VERB_LIST 7U
#define PK_VERB_READ 8U    /* bytes of a blob, for transports that handles can't cross */
#define PK_VERB_WRITE 9U   /* bytes into a blob under a CREATE lease, likewise */
#define PK_VERB_VERIFY 10U /* a sealed object's bytes against their checksums */
#define PK_VERB_OPEN 11U   /* what a lease is for, and its handles once more */
#define PK_VERB_PUT 12U    /* create, write, seal and release in one */

/* The lease ends when the session that acquired it is closed, besides its ttl. */
#define PK_REQUEST_BIND 1U
/* WRITE: what a blob without a size grows by counts at once, and is refused where there is no room
 * for it, instead of when the blob is next looked at. */
#define PK_REQUEST_COUNT 2U
/* ACQUIRE, OPEN, SEAL: descriptors of sealed blobs may be PK_HANDLE_SHARED, which makes them come
 * sooner. */
#define PK_REQUEST_SHARE 4U

/*
 * One request. Members that its verb does not name are zero and are not read. All pointers are
 * borrowed for the call alone, but `data`, which is borrowed until the completion.
 *
 *   ACQUIRE  access; object_id (NULL with CREATE: generated); ttl; flags; request_id
 *            CREATE: blob_count (0 = 1), sizes (NULL = unsized), meta, object_ttl, expected: what
 *            an unsized object will come to; counted and refused as sizes are, but the storage
 *            sets nothing aside
 *            READ: wait; inline_max: if the object comes to so many bytes at most, they are in the
 *            reply, and nothing is left to be released: no lease is granted; known_epoch: if it
 *            is the object's, the handles may be KNOWN ones, all of them
 *   SEAL     lease_id; sizes (NULL = what was written) with blob_count
 *   RENEW    lease_id; ttl
 *   RELEASE  lease_id
 *   DISCARD  object_id
 *   STAT     object_id
 *   LIST     prefix (NULL = all), limit (0 = PK_LIST_MAX), cursor (0 = from the start)
 *   READ     lease_id; blob; offset; data, data_size: filled from there on
 *   WRITE    lease_id; blob; offset; data, data_size: written there; flags
 *   VERIFY   object_id
 *   OPEN     lease_id; flags
 *   PUT      object_id (NULL: generated); meta; object_ttl; blob_count (0 = 1); sizes (NULL = one
 *            blob of data_size) with, of all blobs, one behind the other, data, data_size; or,
 *            with handles, blob_count of them, whose descriptors are the peer's from now on, on
 *            failure too: each of a blob that its maker sealed; -EOPNOTSUPP where the storage
 *            takes none
 */
struct pk_request {
    uint32_t struct_size;
    uint32_t verb;   /* PK_VERB_* */
    uint32_t access; /* PK_ACCESS_* */
    uint32_t flags;  /* PK_REQUEST_* */
    const char *object_id;
    const char *lease_id;
    const char *request_id; /* of the caller's choice; NULL = none. A repeat by the same
                               principal while the lease lives gets that lease again */
    const char *prefix;
    const char *meta;      /* NULL = "" */
    const uint64_t *sizes; /* blob_count sizes, bytes; PK_UNSIZED allowed one by one */
    uint32_t blob_count;
    uint32_t limit;
    uint64_t ttl;        /* nanoseconds; 0 = the node's default; PK_FOREVER */
    uint64_t wait;       /* nanoseconds to wait for the seal; 0 = answer at once */
    uint64_t object_ttl; /* nanoseconds after the seal; 0 = none */
    uint64_t cursor;     /* the epoch that the last page ended with */
    uint32_t blob;       /* index, from 0 */
    uint32_t reserved;
    uint64_t offset; /* bytes */
    void *data;
    uint64_t data_size;              /* bytes */
    uint64_t expected;               /* bytes; 0 = nobody knows */
    uint64_t inline_max;             /* bytes of all blobs together; 0 = a lease and handles */
    const struct pk_handle *handles; /* FD, of sizes of their own; NULL = none */
    uint32_t handle_stride;          /* bytes from one handle to the next */
    uint32_t reserved2;
    uint64_t known_epoch; /* of the object of this id that the caller has handles to; 0 = none */
};

/* One object, as stat and list tell of it. Borrowed with its reply. */
struct pk_object_info {
    uint32_t struct_size;
    uint32_t state; /* PK_STATE_* */
    struct pk_key key;
    uint32_t blob_count;
    uint32_t reserved;
    uint64_t size;         /* bytes, all blobs; reserved or written so far while CREATING */
    const uint64_t *sizes; /* blob_count; PK_UNSIZED while unknown */
    const char *meta;      /* "" if none */
    uint64_t created_at;   /* CLOCK_REALTIME nanoseconds */
    uint64_t sealed_at;    /* 0 while CREATING */
    struct pk_principal owner;
};

/* The answer to one request, borrowed for the completion alone, save the descriptors in `handles`:
 * those belong to the receiver, who closes every one even if it only wanted some. */
struct pk_reply {
    uint32_t struct_size;
    uint32_t verb;         /* that of the request */
    int32_t status;        /* 0, or a negative errno; then only message counts */
    uint32_t access;       /* ACQUIRE, OPEN, SEAL, RENEW */
    const char *message;   /* "" on success */
    const char *lease_id;  /* ACQUIRE (NULL: none was granted, all handles are DATA), OPEN, SEAL,
                              RENEW, RELEASE; a secret: never logged */
    const char *object_id; /* ACQUIRE, OPEN, SEAL, RENEW, DISCARD, VERIFY, PUT */
    uint64_t epoch;        /* ACQUIRE, OPEN, SEAL, VERIFY, PUT */
    uint64_t ttl;          /* ACQUIRE, OPEN, SEAL, RENEW: in force, nanoseconds; PK_FOREVER */
    uint32_t state;        /* ACQUIRE, OPEN, SEAL: PK_STATE_* */
    uint32_t blob_count;   /* ACQUIRE, OPEN, SEAL: entries of handles */
    const char *meta;      /* ACQUIRE, OPEN, SEAL: "" if none */
    const struct pk_handle *handles; /* in blob order */
    const struct pk_object_info
        *objects;           /* STAT, VERIFY: one; LIST: object_count, in epoch order */
    uint32_t handle_stride; /* bytes from one handle to the next */
    uint32_t object_stride; /* bytes from one object to the next */
    uint32_t object_count;
    uint32_t reserved;
    uint64_t cursor; /* LIST: for the next page; 0 = this was the last */
    uint64_t bytes;  /* READ, WRITE: how many; fewer only at the blob's end. VERIFY: all of them */
};

/* One figure of a running part, as `stats` emits it. Borrowed for the call. */
#define PK_STAT_GAUGE 1U
#define PK_STAT_COUNTER 2U
#define PK_STAT_HISTOGRAM 3U /* of durations */

/* What one figure is about, where several share a name. */
struct pk_label {
    const char *name;  /* [a-z_]+ */
    const char *value; /* any text */
};

struct pk_stat {
    uint32_t struct_size;
    uint32_t kind;                 /* PK_STAT_* */
    const char *name;              /* [a-z_]+, without a prefix for the plugin */
    const char *help;              /* one line */
    uint64_t value;                /* HISTOGRAM: how many durations */
    const struct pk_label *labels; /* label_count; figures of one name have the same names here */
    uint32_t label_count;
    uint32_t bucket_count;  /* HISTOGRAM; else 0 */
    const uint64_t *bounds; /* bucket_count, nanoseconds, ascending */
    const uint64_t *counts; /* bucket_count: durations up to that bound, and above the one before */
    uint64_t sum;           /* HISTOGRAM: nanoseconds, all of them */
};

/* The protocol's name for a negative errno, "internal" for those without one, "ok" for 0. */
static inline const char *
pk_result_name(int32_t code)
{
    switch (code) {
    case 0:
        return "ok";
    case -EINVAL:
        return "invalid";
    case -ENOENT:
        return "not_found";
    case -EEXIST:
        return "exists";
    case -EAGAIN:
        return "not_sealed";
    case -ESTALE:
        return "lease_not_found";
    case -EACCES:
        return "access_denied";
    case -EBUSY:
        return "busy";
    case -ENOSPC:
        return "no_space";
    case -EFBIG:
        return "too_large";
    case -EKEYREJECTED:
        return "unauthorized";
    case -EOPNOTSUPP:
        return "unsupported";
    case -ETIMEDOUT:
        return "timeout";
    case -EIO:
        return "io";
    default:
        return "internal";
    }
}

#ifdef __cplusplus
}
#endif
#endif
