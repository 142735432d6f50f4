/* SPDX-FileCopyrightText: PackIce authors */
/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client side of PackIce: reach a peer (inside the process, behind a socket, or over HTTP),
 * acquire leases on its objects, and write, map and read their bytes. The same calls and the same
 * errors for every kind of target. It never prints and never exits.
 */
#ifndef PACKICE_CLIENT_H
#define PACKICE_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define PACKICE_EXPORT __attribute__((visibility("default")))
#else
#define PACKICE_EXPORT
#endif

/*
 * Rules for all calls:
 *  - A call that can fail returns 0 or a negative errno, and packice_error_message() then tells why
 *    in one line. On failure every ret_* is as it was before.
 *  - These mean the same on every target, and packice_error_name() gives the protocol's word:
 *
 *      -EINVAL invalid        -ENOENT not_found   -EEXIST exists         -EAGAIN not_sealed
 *      -ESTALE lease_not_found  -EACCES access_denied  -EBUSY busy       -ENOSPC no_space
 *      -EFBIG too_large       -EOPNOTSUPP unsupported  -EKEYREJECTED unauthorized
 *      -ETIMEDOUT timeout     -EIO io             -EREMOTEIO internal (the peer failed inside)
 *
 *    and these come from the way to the node, or from this process:
 *
 *      -ECONNREFUSED  no node answers at the target (the next call tries again)
 *      -ECONNRESET    the node was lost while it worked on this call; what came of it is unknown
 *      -EPROTO        the node said something that is not the protocol; the connection was dropped
 *      -EPIPE         the client came over a fork(), or was freed before this lease
 *      -ENOMEM, -EMFILE, -ENFILE
 *
 *  - Any thread may use a client, and several at once; likewise a lease, except that releasing it
 *    comes last. No call holds up others that wait for the node.
 *  - Text that goes in is NUL-terminated UTF-8 and borrowed for the call. Text that comes out
 *    belongs to the handle it was asked of and lives as long.
 *  - Times are seconds, fractions welcome.
 *  - Structs begin with their own size, so that they can grow; begin with their *_INIT, or set
 *    struct_size and leave the rest zero.
 *  - fork(): in the child, every call on a client or lease from the parent answers -EPIPE without a
 *    word to the node; maps stay readable; freeing and releasing let go of the child's copies only.
 */

typedef struct packice_client packice_client; /* one caller of one peer */
typedef struct packice_lease packice_lease;   /* a lease, with the handles that came with it */
typedef struct packice_list packice_list;     /* a walk through the objects of a peer */
typedef struct packice_peer packice_peer;     /* a peer of this process: <packice/peer.h> */

#define PACKICE_FOREVER ((double)1e300) /* a ttl without end; a wait without end */
#define PACKICE_UNSIZED UINT64_MAX      /* the size of a blob that has none yet */
#define PACKICE_BLOBS_MAX 253U          /* blobs of one object */
#define PACKICE_ID_MAX 255U             /* bytes of an object id, without the NUL */

/* What a lease allows. */
#define PACKICE_READ 1U
#define PACKICE_CREATE 2U

/* Where an object is in its life. */
#define PACKICE_CREATING 1U
#define PACKICE_SEALED 2U

/* Flags of create and get. The lease outlives the client: it ends when its ttl runs out, or when it
 * is released, by whoever knows its id. */
#define PACKICE_UNBOUND 1U
/* The client does not renew the lease by itself: its ttl runs out. */
#define PACKICE_NO_RENEW 2U
/* Of get alone, for those who want the lease, or some of the blobs. Over HTTP, each blob comes when
 * it is first mapped, read, opened, or asked for its descriptor, and that can fail as the get
 * could. Elsewhere the bytes of a small object do not come with the get, instead of a lease. */
#define PACKICE_LAZY 4U

/* ---- errors ---- */

/* Why the last call that failed on this thread did: one line without a newline, never NULL, valid
 * until the next call of this library on this thread. It holds no lease id. */
PACKICE_EXPORT const char *packice_error_message(void);

/* The protocol's word for a negative errno: "not_found"; "ok" for 0. For errors that are not the
 * protocol's: "unreachable" for -ECONNREFUSED, "disconnected" for -ECONNRESET and -EPIPE,
 * "protocol" for -EPROTO, "internal" for the rest. A constant. */
PACKICE_EXPORT const char *packice_error_name(int code);

/* The version of the library: "0.1.0". A constant. */
PACKICE_EXPORT const char *packice_version(void);

/* ---- the client ---- */

/*
 * Reaches a target:
 *   NULL              a peer of its own, inside this process, that ends with the client: shared
 *                     memory and leases in memory, no node, no files, no threads until needed
 *   "memory://NAME"   a peer inside this process, shared by all who use NAME (1 to 255 bytes) while
 *                     there is at least one
 *   "unix:PATH", or a path   a node, through its Unix socket
 *   "http://HOST:PORT", "https://HOST:PORT"   a node, over HTTP; a path behind it is the prefix
 *                     under which a proxy shows the node
 * It looks whether a node answers before it returns; when the node is lost later, the next call
 * connects again. Errors: -EINVAL: not a target; -ECONNREFUSED: nothing answers there; -EACCES: the
 * socket's mode forbids it; -ENAMETOOLONG; over HTTP also -EPROTO: it is no node, or its
 * certificate is not trusted; -EKEYREJECTED.
 *
 * Over HTTP, blobs that can't be reached otherwise go through the network. What is written stays in
 * this process (in a memfd) until the seal sends it. What is read comes by the get, into a memfd
 * that is sealed before anybody sees it, so that no map and no read can fail later; a download that
 * breaks off goes on where it was. PACKICE_LAZY puts that off. A file of this machine that the node
 * proves to be its own is used where it is, without a copy. Leases that are bound to their client
 * are renewed for as long as it lives, and released with it.
 */
PACKICE_EXPORT int packice_connect(const char *target, packice_client **ret_client);

/* What else a connection takes. All but inline_max is for a node over HTTP; other targets have no
 * use for it. All text is copied. */
struct packice_connect_options {
    uint32_t struct_size;
    uint32_t flags;      /* 0 */
    const char *token;   /* who the caller is: visible ASCII without spaces, 1 to 4096 bytes. A
                            secret: wiped from memory with the client. NULL = nobody */
    const char *ca_file; /* https: certificates (PEM) to trust; NULL = the system's */
    const char *cert;    /* https: the client's own certificate (PEM); NULL = none */
    const char *key;     /* https: the key of cert (PEM); NULL = it stands in cert */
    /* Told, on the thread of the call that it is for, how much of a blob went through the network:
     * `done` of `total` bytes. Must not use the client. NULL = nobody is told. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
    uint64_t inline_max; /* an object of so many bytes at most, in all its blobs, comes with the
                            get, instead of a lease: see packice_get_with. 0: 65536; at most 1 MiB;
                            PACKICE_NO_INLINE: none does */
};
#define PACKICE_NO_INLINE UINT64_MAX
#define PACKICE_CONNECT_OPTIONS_INIT \
    { \
        (uint32_t)sizeof(struct packice_connect_options), 0, NULL, NULL, NULL, NULL, NULL, NULL, 0 \
    }

/* packice_connect with options (NULL: none). Also -EINVAL with the option at fault. */
PACKICE_EXPORT int packice_connect_with(const char *target,
                                        const struct packice_connect_options *options,
                                        packice_client **ret_client);

/* A client of a peer made with packice_peer_new. The peer stays the caller's, who may free it any
 * time: it lives on until its last client is freed. */
PACKICE_EXPORT int packice_connect_peer(packice_peer *peer, packice_client **ret_client);

/* Ends the client; its leases end with it, but for those with PACKICE_UNBOUND. Leases that were not
 * released still have to be; until then their maps and files stay readable, and what would have to
 * ask the peer answers -EPIPE. No other call on this client may be under way. NULL is fine. */
PACKICE_EXPORT void packice_client_free(packice_client *client);

/* For how long a call waits for a node that does not answer, beyond what it was told to wait;
 * then it fails with -ETIMEDOUT, and what came of it is unknown (a lease that comes late is
 * released again). While bytes go over HTTP it is the time in which none moves. 120 seconds unless
 * set; PACKICE_FOREVER: no bound. Applies to calls that begin later. Peers of this process always
 * answer. -EINVAL: not a number over 0. */
PACKICE_EXPORT int packice_client_set_timeout(packice_client *client, double seconds);

/* ---- acquire ---- */

struct packice_create_options {
    uint32_t struct_size;
    uint32_t flags;         /* PACKICE_UNBOUND, PACKICE_NO_RENEW */
    const char *id;         /* 1 to 255 bytes, no control characters; NULL: a new one is made */
    const uint64_t *sizes;  /* blob_count sizes in bytes, PACKICE_UNSIZED allowed one by one;
                               NULL: none has a size yet, all grow as they are written */
    uint32_t blob_count;    /* 1 to PACKICE_BLOBS_MAX; 0 = 1 */
    uint32_t reserved;      /* 0 */
    const char *meta;       /* a JSON object; NULL = {} */
    const char *request_id; /* 1 to 128 bytes: the same request again, after a reply was lost, gets
                               the same lease instead of -EEXIST; NULL = none */
    double ttl; /* of the lease; 0: a bound lease has none, an unbound one the node's default */
    double object_ttl; /* of the object, from its seal on; 0 = none */
};
#define PACKICE_CREATE_OPTIONS_INIT \
    { \
        (uint32_t)sizeof(struct packice_create_options), 0, NULL, NULL, 0, 0, NULL, NULL, 0, 0 \
    }

struct packice_get_options {
    uint32_t struct_size;
    uint32_t flags;         /* PACKICE_UNBOUND, PACKICE_NO_RENEW, PACKICE_LAZY */
    const char *id;         /* required */
    const char *request_id; /* as above */
    double wait; /* for the seal of the object, also of one that isn't there yet; 0 = don't */
    double ttl;  /* as above */
};
#define PACKICE_GET_OPTIONS_INIT \
    { \
        (uint32_t)sizeof(struct packice_get_options), 0, NULL, NULL, 0, 0 \
    }

/* Acquires a CREATE lease: an object that this lease alone may write, that nobody can read before
 * it is sealed, and that is discarded if the lease ends before. Errors: -EEXIST: the name is taken;
 * -ENOSPC: no room for sizes; -EFBIG; -EOPNOTSUPP: the peer takes no unsized blobs; -EINVAL. */
PACKICE_EXPORT int packice_create_with(packice_client *client,
                                       const struct packice_create_options *options,
                                       packice_lease **ret_lease);

/* The same for one blob of `size` bytes (PACKICE_UNSIZED: grows). id NULL: a new one is made. */
PACKICE_EXPORT int packice_create(packice_client *client, const char *id, uint64_t size,
                                  packice_lease **ret_lease);

/* Acquires a READ lease on a sealed object. Over HTTP its bytes come with it (see PACKICE_LAZY);
 * when they don't come whole, the lease is released, and the get fails. Elsewhere the bytes of a
 * small object (inline_max of struct packice_connect_options) come instead of a lease, unless the
 * options hold a flag, a ttl or a request_id: *ret_lease is then one in name. It does all that
 * others do, but the peer knows nothing of it: it has no id and no end, renewing and releasing it
 * asks nobody, and the peer does not keep the object for its sake. Errors: -ENOENT; -EAGAIN:
 * it isn't sealed yet, and wait is 0; -ETIMEDOUT: not sealed within wait; -ENOENT as well when it
 * is discarded meanwhile. */
PACKICE_EXPORT int packice_get_with(packice_client *client,
                                    const struct packice_get_options *options,
                                    packice_lease **ret_lease);

/* The same by id, waiting up to `wait` seconds. */
PACKICE_EXPORT int packice_get(packice_client *client, const char *id, double wait,
                               packice_lease **ret_lease);

/* Creates an object of one blob with these bytes and seals it. ret_lease, if not NULL, gets the
 * READ lease it goes on with; if NULL, none is left, and it is one trip to the node where that can
 * be. On failure nothing is left of it; after -ECONNRESET or -ETIMEDOUT nobody knows. */
PACKICE_EXPORT int packice_put(packice_client *client, const char *id, const void *data,
                               uint64_t size, packice_lease **ret_lease);

/* ---- what a lease is on; these ask nobody ---- */

/* 36 bytes, or none when the bytes came with it: there is nothing to renew or to release at the
 * peer. A secret: who knows it can use the lease. */
PACKICE_EXPORT const char *packice_lease_id(const packice_lease *lease);
PACKICE_EXPORT const char *packice_lease_object_id(const packice_lease *lease);
/* Tells objects apart that had the same id one after the other. */
PACKICE_EXPORT uint64_t packice_lease_epoch(const packice_lease *lease);
/* PACKICE_CREATE until it is sealed, then PACKICE_READ. */
PACKICE_EXPORT uint32_t packice_lease_access(const packice_lease *lease);
/* PACKICE_CREATING or PACKICE_SEALED. */
PACKICE_EXPORT uint32_t packice_lease_state(const packice_lease *lease);
/* Seconds, as granted or last renewed; PACKICE_FOREVER if it has no end of its own. */
PACKICE_EXPORT double packice_lease_ttl(const packice_lease *lease);
/* JSON, "{}" if none was given. */
PACKICE_EXPORT const char *packice_lease_meta(const packice_lease *lease);
PACKICE_EXPORT uint32_t packice_lease_blob_count(const packice_lease *lease);
/* Bytes of a blob; of an unsized one, what it holds just now. -EINVAL: no such blob. */
PACKICE_EXPORT int packice_lease_blob_size(const packice_lease *lease, uint32_t blob,
                                           uint64_t *ret_size);
/* A descriptor of the blob, close-on-exec, the caller's to close. Once sealed it is read-only, and
 * its file offset is its own, but for a file that this process may not open itself. Before, those
 * of one lease share their offset: use pwrite(2); and one that was taken then can be a writer that
 * keeps it from sealing (-EBUSY): close it first. -EINVAL: no such blob; -EOPNOTSUPP: the blob is
 * not behind a descriptor; -EACCES as in packice_write; -EBUSY, -EMFILE, ...: it can't be opened
 * anew. */
PACKICE_EXPORT int packice_lease_blob_fd(const packice_lease *lease, uint32_t blob, int *ret_fd);

/* ---- bytes ---- */

/* Copies all size bytes to offset, or fails. Errors: -EFBIG: behind the end of a sized blob; or
 * more than the node had room for; -EACCES: it is sealed, or a seal was tried (see packice_seal);
 * -EINVAL: no such blob. */
PACKICE_EXPORT int packice_write(packice_lease *lease, uint32_t blob, uint64_t offset,
                                 const void *data, uint64_t size);

/* Copies up to size bytes from offset; *ret_size is less only where the blob ends: 0 at or behind
 * its end. Also under a CREATE lease. Errors: -EINVAL: no such blob; -EACCES as in packice_write.
 */
PACKICE_EXPORT int packice_read(packice_lease *lease, uint32_t blob, uint64_t offset, void *data,
                                uint64_t size, uint64_t *ret_size);

/* Maps a whole blob: under a CREATE lease to write, under a READ lease read-only (a store there is
 * a SIGSEGV; a read never fails, whatever becomes of lease or node). Asked again it gives the same
 * map, or, for an unsized blob that has grown, another. A map is the lease's: it goes when the
 * lease is released, with packice_unmap, and, if it is writable, with packice_seal. Leases of one
 * client on one sealed object may give the same map: it goes with the last of them. A blob of 0
 * bytes gives a *ret_data that is not NULL, and *ret_size 0. ret_size may be NULL. Errors: -EINVAL:
 * no such blob; -EACCES as in packice_write; -EOPNOTSUPP: not behind a descriptor; -ENOMEM. */
PACKICE_EXPORT int packice_map(packice_lease *lease, uint32_t blob, void **ret_data,
                               uint64_t *ret_size);

/* Drops the maps of one blob before their time. 0 also when there are none. */
PACKICE_EXPORT int packice_unmap(packice_lease *lease, uint32_t blob);

/* Opens a blob as a stdio file with a position of its own: under a CREATE lease to read and write,
 * under a READ lease to read. The caller closes it, before or after the lease is released. Close a
 * file for writing before packice_seal: what it still buffers then is lost, and fclose says so
 * (EACCES). It has no descriptor (fileno is -1). Errors: as packice_map. */
PACKICE_EXPORT int packice_open(packice_lease *lease, uint32_t blob, FILE **ret_file);

/* ---- the life of a lease ---- */

/*
 * Seals the object: from now on nobody can change a byte, others can get it, and the lease goes on
 * as a READ lease. First drops every writable map and descriptor of this lease, so pointers from
 * packice_map are gone; map again to read. 0 also when it is sealed already. Errors: -EBUSY: some
 * other process, or a descriptor or map made by hand, can still write: nothing is lost, try again
 * (but this lease no longer writes: write, map, open answer -EACCES until then); -EACCES: a READ
 * lease on an object that another sealed; -EINVAL: a blob has another size than was promised; the
 * object is discarded; -ESTALE: the lease ended, and the object with it; -EFBIG, -ENOSPC.
 */
PACKICE_EXPORT int packice_seal(packice_lease *lease);

/* Lets the lease end `ttl` seconds from now (0: as at its grant, none if it is bound); *ret_ttl, if
 * not NULL, gets what the node made of it: PACKICE_FOREVER if the bytes came with the get. -ESTALE:
 * it ended. */
PACKICE_EXPORT int packice_renew(packice_lease *lease, double ttl, double *ret_ttl);

/* Ends the lease and frees it: maps go, an object that was not sealed is discarded. Like close(2),
 * the lease is gone whatever this returns. 0 also when the lease had ended before. NULL is fine.
 * Through a Unix socket the node hears of the end of a bound READ lease with the client's next
 * request, or within some milliseconds, from a thread of the client: this does not wait, and the
 * client's later calls find the lease ended, but others may find its storage in use a moment
 * longer. */
PACKICE_EXPORT int packice_release(packice_lease *lease);

/* Frees it without a word to the peer: maps go, and the lease itself goes on, until its ttl runs
 * out or, if it is bound, the client ends. NULL is fine. */
PACKICE_EXPORT void packice_detach(packice_lease *lease);

/* Renew and release by lease id, for unbound leases that another process acquired. */
PACKICE_EXPORT int packice_renew_id(packice_client *client, const char *lease_id, double ttl,
                                    double *ret_ttl);
PACKICE_EXPORT int packice_release_id(packice_client *client, const char *lease_id);

/* ---- objects by name ---- */

/* What a peer tells of one object. Made by the library, which may let it grow at its end. */
struct packice_object {
    uint32_t struct_size;
    uint32_t state; /* PACKICE_CREATING, PACKICE_SEALED */
    const char *id;
    uint64_t epoch;
    uint64_t size;         /* bytes, all blobs; reserved or written so far while CREATING */
    const uint64_t *sizes; /* from packice_stat: blob_count, PACKICE_UNSIZED where unknown; in a
                              list: NULL */
    uint32_t blob_count;
    uint32_t owner_uid;     /* of who created it; UINT32_MAX if not known */
    const char *owner_name; /* of a token; "" if it has none */
    const char *meta;       /* from packice_stat: JSON, "{}" if none; in a list: NULL */
    double created_at;      /* seconds since 1970 */
    double sealed_at;       /* 0 while CREATING */
};

/* Takes the name away at once; the bytes go when the last lease on it ends, and stay readable to
 * those who hold one. -ENOENT; -EACCES: it is another's to discard. */
PACKICE_EXPORT int packice_discard(packice_client *client, const char *id);

/* Has the storage read a sealed object whole and compare it with the checksums that it took at the
 * seal; it takes as long as that takes, and no lease. *ret_bytes (NULL is fine): how many bytes
 * were found to be as they were. -EIO: some are not, or can't be read; -EOPNOTSUPP: this storage
 * keeps no checksums; -ENOENT; -EAGAIN: it is not sealed yet. */
PACKICE_EXPORT int packice_verify(packice_client *client, const char *id, uint64_t *ret_bytes);

/* Tells of one object, without a lease. The result is the caller's: packice_object_free. -ENOENT.
 */
PACKICE_EXPORT int packice_stat(packice_client *client, const char *id,
                                struct packice_object **ret_object);
/* NULL is fine. */
PACKICE_EXPORT void packice_object_free(struct packice_object *object);

/* Starts a walk through the objects whose ids begin with prefix (NULL: all), in the order they were
 * made. It asks for `page` objects at a time (0: as many as a reply may hold); one that is there
 * from the first packice_list_next to the last comes exactly once. Asks nobody yet. Free it with
 * packice_list_free, before the client is freed. One thread at a time. */
PACKICE_EXPORT int packice_list_new(packice_client *client, const char *prefix, uint32_t page,
                                    packice_list **ret_list);
/* The next object, borrowed until the next call on this list; NULL behind the last. A page that
 * failed is asked for again by the next call. */
PACKICE_EXPORT int packice_list_next(packice_list *list, const struct packice_object **ret_object);
/* NULL is fine. */
PACKICE_EXPORT void packice_list_free(packice_list *list);

/* ---- many at once ---- */

#define PACKICE_BATCH_CREATE 1U  /* create: in; lease: out */
#define PACKICE_BATCH_GET 2U     /* get: in; lease: out */
#define PACKICE_BATCH_SEAL 3U    /* lease: in, as packice_seal */
#define PACKICE_BATCH_RELEASE 4U /* lease: in, as packice_release; NULL afterwards */

/* One entry; this struct does not grow. */
struct packice_batch_item {
    uint32_t op;    /* PACKICE_BATCH_* */
    int32_t status; /* out: what the call by itself would have returned */
    const struct packice_create_options *create;
    const struct packice_get_options *get;
    packice_lease *lease;
};

/* Does all of them in as few trips to the node as their number allows, in no certain order, each by
 * itself: some may fail. No lease may be in it twice. Returns 0 when every item has its status, and
 * what hindered it otherwise; then the items that were not reached have that status too. The
 * message is that of the last item that failed. */
PACKICE_EXPORT int packice_batch(packice_client *client, struct packice_batch_item *items,
                                 size_t count);

/* The peer's own figures ("objects", "bytes", "leases", "sessions", "waits", "calls", ...), each
 * given to emit once, before this returns; emit must not use the client. */
PACKICE_EXPORT int packice_stats(packice_client *client,
                                 void (*emit)(void *arg, const char *name, uint64_t value),
                                 void *arg);

#ifdef __cplusplus
}
#endif
#endif
