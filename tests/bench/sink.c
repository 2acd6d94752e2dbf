/* A provider on loopback that costs so little that it is not what is measured.
 *
 * One thread, epoll, keep-alive. Speaks the simulator's API (every POST is answered 201 with an id
 * of its own), plain or over TLS, or SMTP that takes every mail. Prints its port on standard output
 * and ends when its standard input closes, with what it counted as one JSON line. `GET /stats`
 * tells the same at any time.
 *
 * Options: --smtp, --latency MS, --slow-share F --slow-ms MS, --status CODE --status-share F,
 * --retry-after S, --tls CERTIFICATE KEY (built with -DWITH_TLS).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

enum { FDS_MAX = 8192, BUFFER = 65536, EVENTS = 256, QUEUE = 16384, REPLY_MAX = 512 };

struct line {
    char *in;
    size_t have, room;
    uint32_t generation; /* counts the lines of this descriptor, so that no late answer hits a new one */
    int is_open, is_mail; /* is_mail: between DATA and its final dot */
#ifdef WITH_TLS
    SSL *tls;
#endif
};

struct wait {
    uint64_t due;
    int fd;
    uint32_t generation;
};

struct queue {
    struct wait item[QUEUE];
    unsigned head, tail;
};

static struct line lines[FDS_MAX];
static struct queue normal, slow; /* each first in, first out: one delay for all of a queue */
static uint64_t latency_ns, slow_ns, calls, refused, mails, opened, draws = 88172645463325252ULL;
static double slow_share, status_share;
static int status_code, retry_after = 1, is_smtp, epoll_fd;
static const char *certificate, *private_key;
#ifdef WITH_TLS
static SSL_CTX *tls;
#endif

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000ULL + (uint64_t)at.tv_nsec;
}

/* xorshift64: the same sequence in every run. */
static int drawn(double share) {
    if (share <= 0) return 0;
    draws ^= draws << 13; draws ^= draws >> 7; draws ^= draws << 17;
    return (double)(draws >> 11) / 9007199254740992.0 < share;
}

static void shut(int fd) {
    struct line *line = &lines[fd];
    if (!line->is_open) return;
#ifdef WITH_TLS
    if (line->tls) SSL_free(line->tls);
    line->tls = NULL;
#endif
    line->is_open = line->is_mail = 0;
    line->generation++;
    line->have = 0;
    close(fd);
}

/* Answers are small and the peer waits for them: a full socket buffer means a broken peer. */
static void say(int fd, const char *text, size_t size) {
#ifdef WITH_TLS
    if (lines[fd].tls) {
        if (SSL_write(lines[fd].tls, text, (int)size) != (int)size) shut(fd);
        return;
    }
#endif
    if (send(fd, text, size, MSG_NOSIGNAL) != (ssize_t)size) shut(fd);
}

static ssize_t hear(int fd, char *into, size_t room) {
#ifdef WITH_TLS
    if (lines[fd].tls) {
        int got = SSL_read(lines[fd].tls, into, (int)room);
        if (got > 0) return got;
        int why = SSL_get_error(lines[fd].tls, got);
        errno = why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
        return why == SSL_ERROR_ZERO_RETURN ? 0 : -1;
    }
#endif
    return recv(fd, into, room, 0);
}

static int counted(char *into, size_t room) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec
        + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    return snprintf(into, room,
        "{\"calls\":%llu,\"refused\":%llu,\"mails\":%llu,\"connections\":%llu,\"cpu_seconds\":%.6f}",
        (unsigned long long)calls, (unsigned long long)refused, (unsigned long long)mails,
        (unsigned long long)opened, cpu);
}

static void answer_http(int fd, int code, const char *body, int size, const char *extra) {
    char reply[REPLY_MAX];
    int length = snprintf(reply, sizeof reply,
        "HTTP/1.1 %d x\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%.*s",
        code, extra, size, size, body);
    say(fd, reply, (size_t)length);
}

static void accept_message(int fd) {
    char body[64], extra[48];
    if (is_smtp) {
        int size = snprintf(body, sizeof body, "250 2.0.0 queued as s%llu\r\n",
            (unsigned long long)++mails);
        say(fd, body, (size_t)size);
        return;
    }
    if (status_code && drawn(status_share)) {
        refused++;
        snprintf(extra, sizeof extra, "Retry-After: %d\r\n", retry_after);
        answer_http(fd, status_code, "{}", 2, extra);
        return;
    }
    int size = snprintf(body, sizeof body, "{\"id\":\"sink-%d-%llu\"}", (int)getpid(),
        (unsigned long long)++calls);
    answer_http(fd, 201, body, size, "");
}

static void accept_later(int fd) {
    int is_slow = drawn(slow_share);
    uint64_t delay = is_slow ? slow_ns : latency_ns;
    if (!delay) { accept_message(fd); return; }
    struct queue *queue = is_slow ? &slow : &normal;
    struct wait *wait = &queue->item[queue->tail++ % QUEUE];
    *wait = (struct wait){now_ns() + delay, fd, lines[fd].generation};
}

static int answer_due(struct queue *queue, uint64_t now) {
    while (queue->head != queue->tail) {
        struct wait *wait = &queue->item[queue->head % QUEUE];
        if (wait->due > now) return (int)((wait->due - now + 999999) / 1000000);
        queue->head++;
        if (lines[wait->fd].is_open && lines[wait->fd].generation == wait->generation)
            accept_message(wait->fd);
    }
    return -1;
}

/* One request, if it is there whole: how many bytes it took. */
static size_t read_http(int fd, char *in, size_t have) {
    char *end = memmem(in, have, "\r\n\r\n", 4), counts[160];
    if (!end) return 0;
    size_t head = (size_t)(end - in) + 4, body = 0;
    *end = 0;
    char *length = strcasestr(in, "\r\ncontent-length:");
    if (length) body = strtoul(length + 17, NULL, 10);
    *end = '\r';
    if (have < head + body) return 0;
    if (!memcmp(in, "GET", 3)) answer_http(fd, 200, counts, counted(counts, sizeof counts), "");
    else accept_later(fd);
    return head + body;
}

static size_t read_smtp(int fd, char *in, size_t have) {
    static const char *hello = "250-sink\r\n250-SIZE 10485760\r\n250-8BITMIME\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n";
    if (lines[fd].is_mail) {
        char *dot = memmem(in, have, "\r\n.\r\n", 5);
        if (!dot) return 0;
        lines[fd].is_mail = 0;
        accept_later(fd);
        return (size_t)(dot - in) + 5;
    }
    char *end = memmem(in, have, "\r\n", 2);
    if (!end) return 0;
    if (!strncasecmp(in, "EHLO", 4)) say(fd, hello, strlen(hello));
    else if (!strncasecmp(in, "DATA", 4)) { lines[fd].is_mail = 1; say(fd, "354 go on\r\n", 11); }
    else if (!strncasecmp(in, "QUIT", 4)) { say(fd, "221 bye\r\n", 9); shut(fd); }
    else say(fd, "250 ok\r\n", 8);
    return (size_t)(end - in) + 2;
}

static void understand(int fd) {
    struct line *line = &lines[fd];
    size_t done = 0, took;
    while (line->is_open && done < line->have) {
        took = is_smtp ? read_smtp(fd, line->in + done, line->have - done)
                       : read_http(fd, line->in + done, line->have - done);
        if (!took) break;
        done += took;
    }
    if (!line->is_open) return;
    line->have -= done;
    if (done && line->have) memmove(line->in, line->in + done, line->have);
}

static void serve(int fd) {
    struct line *line = &lines[fd];
    while (line->is_open) {
        if (line->have + BUFFER / 4 > line->room) {
            line->room = line->room ? line->room * 2 : BUFFER;
            if (!(line->in = realloc(line->in, line->room + 1))) fail("memory");
        }
        size_t room = line->room - line->have;
        ssize_t got = hear(fd, line->in + line->have, room);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) { shut(fd); return; }
        line->have += (size_t)got;
        understand(fd);
#ifdef WITH_TLS
        if (line->is_open && line->tls && SSL_pending(line->tls)) continue;
#endif
        if ((size_t)got < room) return;
    }
}

static void welcome(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= FDS_MAX) { close(fd); continue; }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        lines[fd].is_open = 1;
        lines[fd].have = 0;
        opened++;
#ifdef WITH_TLS
        if (tls) {
            lines[fd].tls = SSL_new(tls);
            SSL_set_fd(lines[fd].tls, fd);
            SSL_set_accept_state(lines[fd].tls);
        }
#endif
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
        if (is_smtp) say(fd, "220 sink ESMTP\r\n", 16);
    }
}

static int listen_anywhere(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) || listen(fd, 1024)) fail("listen");
    if (getsockname(fd, (struct sockaddr *)&at, &size)) fail("getsockname");
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void read_options(int count, char **given) {
    for (int i = 1; i < count; i++) {
        const char *name = given[i];
        if (!strcmp(name, "--smtp")) { is_smtp = 1; continue; }
        if (++i >= count) { fprintf(stderr, "%s needs a value\n", name); exit(2); }
        double value = atof(given[i]);
        if (!strcmp(name, "--latency")) latency_ns = (uint64_t)(value * 1e6);
        else if (!strcmp(name, "--slow-share")) slow_share = value;
        else if (!strcmp(name, "--slow-ms")) slow_ns = (uint64_t)(value * 1e6);
        else if (!strcmp(name, "--status")) status_code = (int)value;
        else if (!strcmp(name, "--status-share")) status_share = value;
        else if (!strcmp(name, "--retry-after")) retry_after = (int)value;
        else if (!strcmp(name, "--tls") && i + 1 < count) { certificate = given[i]; private_key = given[++i]; }
        else { fprintf(stderr, "unknown option %s\n", name); exit(2); }
    }
}

static void prepare_tls(void) {
    if (!certificate) return;
#ifdef WITH_TLS
    tls = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1
        || SSL_CTX_use_PrivateKey_file(tls, private_key, SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "the certificate or its key cannot be read\n");
        exit(1);
    }
#else
    fprintf(stderr, "built without TLS\n");
    exit(2);
#endif
}

int main(int count, char **given) {
    char counts[256];
    read_options(count, given);
    prepare_tls();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    int listener = listen_anywhere();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event found[EVENTS], event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = 0;
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &event);
    for (;;) {
        uint64_t now = now_ns();
        int first = answer_due(&normal, now), second = answer_due(&slow, now);
        int wait = first < 0 ? second : second < 0 || first < second ? first : second;
        int number = epoll_wait(epoll_fd, found, EVENTS, wait);
        for (int i = 0; i < number; i++) {
            int fd = found[i].data.fd;
            if (fd == 0) { /* whoever started us is gone, or has seen enough */
                printf("%.*s\n", counted(counts, sizeof counts), counts);
                return 0;
            }
            if (fd == listener) welcome(listener);
            else serve(fd);
        }
    }
}
