/* Sends prepared HTTP requests over keep-alive connections, each at its moment, and times answers.
 *
 *     load PORT FILE CONNECTIONS
 *
 * The file holds records: length (u32), microseconds after the start (u64), the bytes of a request.
 * A request whose moment has passed leaves as soon as a connection is free; its latency counts from
 * its moment on, so that a server that falls behind cannot hide it. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1024, ANSWER_MAX = 16384, HEAD = 12 };

struct line {
    int fd, is_busy;
    const char *rest; /* of the request, what did not fit into the socket yet */
    size_t left, have;
    uint64_t due;
    char answer[ANSWER_MAX];
};

static struct line lines[CONNECTIONS_MAX];
static const char *file;
static size_t size, at;
static uint64_t began, ok, bad, broken, sent;
static double *latencies;
static size_t timed, room;
static int epoll_fd, port;

static void fail(const char *what) { perror(what); exit(1); }

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000ULL + (uint64_t)now.tv_nsec / 1000;
}

static void connect_line(int index) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    lines[index].fd = fd;
    lines[index].is_busy = 0;
    lines[index].left = lines[index].have = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)index};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void watch(int index, uint32_t events) {
    struct epoll_event event = {.events = events, .data.u32 = (uint32_t)index};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, lines[index].fd, &event);
}

static void push(int index) {
    struct line *line = &lines[index];
    while (line->left) {
        ssize_t gone = send(line->fd, line->rest, line->left, MSG_NOSIGNAL);
        if (gone < 0 && errno == EAGAIN) { watch(index, EPOLLIN | EPOLLOUT); return; }
        if (gone < 0) return; /* reading will tell */
        line->rest += gone;
        line->left -= (size_t)gone;
    }
    watch(index, EPOLLIN);
}

static void done(struct line *line, int is_ok) {
    if (timed == room) {
        room = room ? room * 2 : 65536;
        if (!(latencies = realloc(latencies, room * sizeof *latencies))) fail("memory");
    }
    latencies[timed++] = (double)(now_us() - began - line->due) / 1000.0;
    if (is_ok) ok++; else bad++;
    line->is_busy = 0;
    line->have = 0;
}

static void hear(int index) {
    struct line *line = &lines[index];
    ssize_t got = recv(line->fd, line->answer + line->have, ANSWER_MAX - 1 - line->have, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        if (line->is_busy) { broken++; line->is_busy = 0; }
        close(line->fd);
        connect_line(index);
        return;
    }
    line->have += (size_t)got;
    line->answer[line->have] = 0;
    char *end = strstr(line->answer, "\r\n\r\n"), *length;
    if (!end) return;
    length = strcasestr(line->answer, "\r\ncontent-length:");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (line->have >= (size_t)(end - line->answer) + 4 + body)
        done(line, line->answer[9] == '2');
}

/* The next request whose moment has come goes to a free connection: how long to wait for one, ms. */
static int give(int connections) {
    for (int index = 0; index < connections && at < size; index++) {
        struct line *line = &lines[index];
        if (line->is_busy) continue;
        uint32_t length;
        memcpy(&length, file + at, 4);
        memcpy(&line->due, file + at + 4, 8);
        uint64_t now = now_us() - began;
        if (line->due > now) return (int)((line->due - now) / 1000);
        line->is_busy = 1;
        line->rest = file + at + HEAD;
        line->left = length;
        at += HEAD + length;
        sent++;
        push(index);
    }
    return -1;
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void tell(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec
        + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    qsort(latencies, timed, sizeof *latencies, by_size);
    double zero = 0, *all = timed ? latencies : &zero;
    size_t last = timed ? timed - 1 : 0;
    printf("{\"sent\":%llu,\"ok\":%llu,\"bad\":%llu,\"broken\":%llu,\"seconds\":%.3f,"
        "\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f,\"cpu_seconds\":%.3f}\n",
        (unsigned long long)sent, (unsigned long long)ok, (unsigned long long)bad,
        (unsigned long long)broken, (double)(now_us() - began) / 1e6, all[last / 2],
        all[(size_t)((double)last * 0.99)], all[last], cpu);
}

int main(int count, char **given) {
    if (count != 4) { fprintf(stderr, "load PORT FILE CONNECTIONS\n"); return 2; }
    port = atoi(given[1]);
    int connections = atoi(given[3]), fd = open(given[2], O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (fd < 0 || fstat(fd, &about)) fail(given[2]);
    if (connections < 1 || connections > CONNECTIONS_MAX) return 2;
    size = (size_t)about.st_size;
    if (size && (file = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0)) == MAP_FAILED) fail("mmap");
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < connections; index++) connect_line(index);
    struct epoll_event found[64];
    began = now_us();
    while (at < size || ok + bad + broken < sent) {
        int wait = give(connections);
        int number = epoll_wait(epoll_fd, found, 64, wait < 0 || wait > 100 ? 100 : wait);
        for (int index = 0; index < number; index++) {
            if (found[index].events & EPOLLOUT) push((int)found[index].data.u32);
            if (found[index].events & ~(uint32_t)EPOLLOUT) hear((int)found[index].data.u32);
        }
        uint64_t last = began + 600000000ULL; /* nobody measures for longer than ten minutes */
        if (now_us() > last) break;
    }
    tell();
    return 0;
}
