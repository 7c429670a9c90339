/* What one round trip over loopback costs a server at the least: epoll_wait, read, write.
 *
 *   cc -O2 -o echo bench/echo.c && ./echo
 *
 * A child sends 13 octets and waits for them, 200,000 times; prints the server's wall and CPU time.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROUND_TRIPS = 200000, OCTETS = 13 };

static void set_up(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void client(struct sockaddr_in *to) {
  char buffer[OCTETS] = {0};
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)to, sizeof *to) != 0) exit(1);
  set_up(fd);
  for (int i = 0; i < ROUND_TRIPS; i++) {
    struct pollfd ready = {fd, POLLIN, 0};
    if (write(fd, buffer, OCTETS) != OCTETS) exit(1);
    while (read(fd, buffer, OCTETS) <= 0) poll(&ready, 1, 100);
  }
  exit(0);
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0) return 1;
  getsockname(listener, (struct sockaddr *)&address, &size);
  if (fork() == 0) client(&address);

  int fd = accept(listener, NULL, NULL), events = epoll_create1(0);
  struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, {0}};
  struct timespec start, end;
  struct rusage used;
  char buffer[4096];
  set_up(fd);
  epoll_ctl(events, EPOLL_CTL_ADD, fd, &event);
  clock_gettime(CLOCK_MONOTONIC, &start);
  for (;;) {
    epoll_wait(events, &event, 1, -1);
    ssize_t octets = read(fd, buffer, sizeof buffer);
    if (octets == 0) break;
    if (octets > 0 && write(fd, buffer, octets) != octets) return 1;
  }
  clock_gettime(CLOCK_MONOTONIC, &end);
  getrusage(RUSAGE_SELF, &used);
  double wall = end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
  double cpu = seconds(used.ru_utime) + seconds(used.ru_stime);
  printf("a round trip: %.1f us, CPU of the server %.1f us\n", wall / ROUND_TRIPS * 1e6,
         cpu / ROUND_TRIPS * 1e6);
  return 0;
}
