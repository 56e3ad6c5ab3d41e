//go:build linux && (amd64 || arm64)

package syscalls

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification and response are struct seccomp_notif and struct seccomp_notif_resp of linux/seccomp.h.
type notification struct {
	id    uint64
	pid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// Submit has the other end of a Unix socket decide on the system calls in names, from now on and for all threads of this process. A child
// calls it before anything else.
func Submit(socket *os.File) error {
	runtime.LockOSThread() // without root, no_new_privs must be set first, on the same thread
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	filter := filter()
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// Once the parent has received a call, only a fatal signal ends the wait. Go's own signals would otherwise restart the call,
	// and it would be counted twice.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
		unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	listener, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("%w: %w", ErrUnsupported, errno)
	}
	defer unix.Close(int(listener))
	if err := unix.Sendmsg(int(socket.Fd()), []byte{0}, unix.UnixRights(int(listener)), nil, 0); err != nil {
		return fmt.Errorf("syscalls: send the listener: %w", err)
	}
	return nil
}

// filter returns the seccomp filter. It sends the system calls in names to the parent, and allows all others.
func filter() []unix.SockFilter {
	const offsetNr, offsetArch = 0, 4 // of struct seccomp_data
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offsetArch},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: auditArch, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offsetNr},
	}
	for nr := range names {
		program = append(program,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(nr), Jf: 1},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	return append(program, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
}

// Supervisor decides on the calls of a child that has called Submit.
type Supervisor struct {
	process  *os.Process
	listener int
	handler  Handler
	counts   map[string]int
	ended    chan struct{}
	err      error // once it has ended

	answers sync.WaitGroup // the answers that are delayed
}

// Supervise waits for a child to call Submit, and has handler decide on the child's calls in names until it ends. The error is
// ErrUnsupported if the child closed the socket instead.
func Supervise(child *os.Process, socket *os.File, handler Handler) (*Supervisor, error) {
	var data [1]byte
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(socket.Fd()), data[:], control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("syscalls: receive the listener: %w", err)
	}
	if n == 0 {
		return nil, ErrUnsupported
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return nil, fmt.Errorf("syscalls: receive the listener: %w", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, fmt.Errorf("syscalls: receive the listener: %w", err)
	}
	s := &Supervisor{process: child, listener: fds[0], handler: handler, counts: make(map[string]int), ended: make(chan struct{})}
	go s.serve()
	return s, nil
}

// Wait waits until the child has ended. The error says that some call could not be decided on.
func (s *Supervisor) Wait() error {
	<-s.ended
	return s.err
}

func (s *Supervisor) serve() {
	defer close(s.ended)
	defer unix.Close(s.listener)
	defer s.answers.Wait()
	for {
		poll := []unix.PollFd{{Fd: int32(s.listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			s.err = fmt.Errorf("syscalls: poll: %w", err)
			return
		}
		if poll[0].Revents&unix.POLLIN == 0 {
			if poll[0].Revents&unix.POLLHUP != 0 {
				return // the child has ended
			}
			continue
		}
		var n notification
		if err := ioctl(s.listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)); err != nil {
			if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINTR) {
				continue // the caller was killed meanwhile
			}
			s.err = fmt.Errorf("syscalls: receive: %w", err)
			return
		}
		s.decide(n)
	}
}

func (s *Supervisor) decide(n notification) {
	call := Call{Name: names[n.nr], Args: n.args}
	call.Path = path(n)
	count := call.Name + " " + call.Path
	s.counts[count]++
	call.N = s.counts[count]
	action := s.handler(call)
	if action.Signal != 0 {
		_ = s.process.Signal(action.Signal) // an error means that the process has ended
	}
	if action.Signal == syscall.SIGKILL {
		return
	}
	answer := response{id: n.id}
	switch {
	case action.Errno != 0:
		answer.errno = -int32(action.Errno)
	case !action.Pretend:
		answer.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	}
	if action.Delay == 0 {
		s.send(answer)
		return
	}
	s.answers.Add(1)
	time.AfterFunc(action.Delay, func() {
		defer s.answers.Done()
		s.send(answer)
	})
}

// send answers a call. An error means that the caller was killed meanwhile.
func (s *Supervisor) send(answer response) {
	_ = ioctl(s.listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&answer))
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// path returns the path of the file that a call is about.
func path(n notification) string {
	switch n.nr {
	case unix.SYS_UNLINKAT:
		return text(n.pid, n.args[1])
	case unix.SYS_LINKAT:
		return text(n.pid, n.args[3])
	case sysUnlink:
		return text(n.pid, n.args[0])
	}
	found, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", n.pid, int32(n.args[0])))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(found, " (deleted)")
}

// text reads a C string of another process.
func text(pid uint32, address uint64) string {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return ""
	}
	defer mem.Close()
	buffer := make([]byte, 4096)
	n, _ := mem.ReadAt(buffer, int64(address)) // up to the end of what is mapped
	end := bytes.IndexByte(buffer[:n], 0)
	if end < 0 {
		return ""
	}
	return string(buffer[:end])
}
