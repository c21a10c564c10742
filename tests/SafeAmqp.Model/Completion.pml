/*
 * The completion and epoch protocol of one link: callers post jobs and may cancel them, somebody disposes the client,
 * the link is lost and comes back, and the broker's answers come late. Checked for every interleaving within the bounds
 * below:
 *
 *   - a job ends once, gives its credit back once, and is never passed on after its end;
 *   - its end is true: confirmed only if the broker acknowledged that very pass; not sent or cancelled only if it was
 *     never passed on; unknown only if it was;
 *   - no signal of an earlier incarnation has an effect;
 *   - nothing waits for ever: each process comes to its end. A caller blocked for ever is an invalid end state, and
 *     everything else comes to an end.
 *
 * Written after IoThread (Post, PostOrAbandon, Run, AbandonLeftovers), ConnectionActor (Handle, Advance, LoseLink,
 * FinishClose), PublishLane and OutgoingJob (End, ReleaseCredit). MUTANT_* leave one of their lines out: each must be
 * found out.
 */
#ifndef JOBS
#define JOBS 2
#endif
#ifndef EPOCHS
#define EPOCHS 2          /* links; the last one holds */
#endif

#define NONE      0
#define CONFIRMED 1
#define UNKNOWN   2
#define NOTSENT   3       /* also: disposed */
#define CANCELLED 4

#if JOBS == 1
#define SOME_QUEUED (queued[0])
#elif JOBS == 2
#define SOME_QUEUED (queued[0] || queued[1])
#else
#define SOME_QUEUED (queued[0] || queued[1] || queued[2])
#endif

#define WIRE(e, s) ((e) * (JOBS + 1) + (s))

mtype = { Send, Cancel, Close, Connected, Failed, Acked, Lost };

/* Room for all that can ever be posted: the mailbox of the code has no bound of its own. */
chan mailbox = [JOBS * 2 + 1 + EPOCHS * (2 + JOBS)] of { mtype, byte, byte };
bool mailboxClosed;

/* A job, as its caller and the actor share it. */
byte outcome[JOBS];       /* Completion */
bool hasEnded[JOBS];
bool holdsCredit[JOBS];
bool wasPassed[JOBS];
byte released[JOBS];

/* What of the actor others look at: the link that it wants. */
byte epoch;
bool connecting;

bool closeEnded;

/* The wire: which job was passed with a number in an epoch, and which of them the broker acknowledged. */
byte passed[(EPOCHS + 1) * (JOBS + 1)];
bool acked[(EPOCHS + 1) * (JOBS + 1)];

/* Completion.TryComplete: an interlocked exchange decides. */
inline Complete(j, how) {
    d_step {
        if
        :: outcome[j] == NONE ->
            outcome[j] = how;
            assert(how != NOTSENT && how != CANCELLED || !wasPassed[j]);
            assert(how != UNKNOWN || wasPassed[j])
        :: else
        fi
    }
}

/* OutgoingJob.End. Not atomic, as it is not in the code: two threads in it would show. */
inline EndJob(j, how) {
    if
    :: holdsCredit[j] ->
        holdsCredit[j] = false;
        released[j]++;
        assert(released[j] == 1)
    :: else
    fi;
    hasEnded[j] = true;
    Complete(j, how)
}

/* IoThread.AbandonLeftovers: by the thread at its end, and by each caller that posted behind its last look. */
inline AbandonLeftovers() {
    do
    :: atomic { mailbox?[_, _, _] -> mailbox?what, about, number };
        if
        :: what == Send -> EndJob(about, NOTSENT)
        :: what == Close -> closeEnded = true
        :: else
        fi
    :: empty(mailbox) -> break
    od
}

/* IoThread.Post: looking and posting are two steps, with anything between. */
inline Post(m, a, n, taken) {
    if
    :: mailboxClosed -> taken = false
    :: else ->
        mailbox!m, a, n;
        taken = true;
#ifndef MUTANT_NO_SECOND_LOOK
        if
        :: mailboxClosed -> AbandonLeftovers()
        :: else
        fi
#endif
    fi
}

/* A signal: nothing waits for it, so that it may be left lying. That its poster empties the mailbox as well only helps;
 * here it does not. */
inline PostSignal(m, a, n) {
    atomic {
        if
        :: mailboxClosed
        :: else -> mailbox!m, a, n
        fi
    }
}

proctype Caller(byte job) {
    mtype what; byte about, number; bool taken;
    holdsCredit[job] = true;
    Post(Send, job, 0, taken);
    if
    :: !taken -> EndJob(job, NOTSENT)
    :: else
    fi;
    outcome[job] != NONE      /* the await */
}

/* The caller's token: it may fire before the job is posted, at any time later, or never. */
proctype Token(byte job) {
    mtype what; byte about, number; bool taken;
    if
    :: Post(Cancel, job, 0, taken)
    :: skip
    fi
}

proctype Disposer() {
    mtype what; byte about, number; bool taken;
    if
    :: Post(Close, 0, 0, taken);
        if
        :: !taken -> closeEnded = true
        :: else
        fi;
        closeEnded
    :: skip
    fi
}

/* The link: an attempt succeeds or fails, a connection breaks. The last one is never lost, so that what waits for a
 * link gets one. */
proctype Network() {
    byte tried = 0, up = 0, lost = 0;
end:
    do
    :: atomic { connecting && epoch > tried -> tried = epoch };
        if
        :: up = tried; PostSignal(Connected, tried, 0)
        :: tried < EPOCHS -> PostSignal(Failed, tried, 0)
        fi
    :: atomic { up > lost && up < EPOCHS -> lost = up };
        PostSignal(Lost, lost, 0)
    od
}

/* The broker, for one number of one epoch: it acknowledges what it reads, early or late, also after the link was lost;
 * or never, if it was. */
proctype Broker(byte inEpoch; byte seq) {
end:
    passed[WIRE(inEpoch, seq)] != 0;
    if
    :: acked[WIRE(inEpoch, seq)] = true; PostSignal(Acked, inEpoch, seq)
    :: inEpoch < EPOCHS && epoch > inEpoch
    fi
}

inline HandleAck(e, s) {
    job = 0;
    do
    :: job < JOBS && ledger[job] == s -> break
    :: job < JOBS && ledger[job] != s -> job++
    :: job == JOBS -> break
    od;
    if
    :: job < JOBS ->
        assert(passed[WIRE(e, s)] == job + 1 && e == epoch);   /* that very pass */
        ledger[job] = 0;
        EndJob(job, CONFIRMED)
    :: else              /* answered before */
    fi
}

/* ConnectionActor.LoseLink, PublishLane.Lose: at once, without waiting for anything. */
inline LoseLink() {
    connected = false;
    connecting = false;
    about = 0;
    do
    :: about < JOBS ->
        if
#ifdef MUTANT_LOSS_FORGETS
        :: ledger[about] != 0 -> ledger[about] = 0
#else
        :: ledger[about] != 0 ->
            ledger[about] = 0;
            if
            :: republishes && !closing && !hasEnded[about] -> queued[about] = true
            :: else -> EndJob(about, UNKNOWN)
            fi
#endif
        :: else
        fi;
        about++
    :: else -> break
    od
}

/* ConnectionActor.FinishClose. */
inline FinishClose() {
    about = 0;
    do
    :: about < JOBS ->
        if
        :: ledger[about] != 0 -> ledger[about] = 0; EndJob(about, UNKNOWN)
        :: else
        fi;
        if
        :: queued[about] ->
            queued[about] = false;
            if
            :: wasPassed[about] -> EndJob(about, UNKNOWN)
            :: else -> EndJob(about, NOTSENT)
            fi
        :: else
        fi;
        about++
    :: else -> break
    od;
    closeEnded = true
}

proctype IoThread(bool republishes) {
    mtype what; byte about, number, job;
    /* The actor's own, touched by nothing else. */
    bool queued[JOBS];
    byte ledger[JOBS];        /* the sequence number of what is not answered; 0: none */
    byte sequence;
    bool connected;
    bool closing;
    connecting = true;
    epoch = 1;
end:
    do
    :: mailbox?what, about, number ->                        /* ConnectionActor.Handle */
        if
        :: what == Send ->
            if
            :: hasEnded[about]                 /* cancelled before it got here */
            :: !hasEnded[about] && closing -> EndJob(about, NOTSENT)
            :: else -> queued[about] = true
            fi
        :: what == Cancel ->
            if
#ifdef MUTANT_CANCELS_WHAT_WAS_SENT
            :: !hasEnded[about] ->
                ledger[about] = 0;
#else
            :: !hasEnded[about] && !wasPassed[about] ->
#endif
                queued[about] = false;
                EndJob(about, CANCELLED)
            :: else
            fi
        :: what == Close -> closing = true
#ifdef MUTANT_STALE_SIGNALS
        :: what == Acked -> HandleAck(about, number)
#else
        :: what == Acked && about == epoch && connected -> HandleAck(about, number)
#endif
        :: what == Connected && about == epoch && connecting -> connected = true; connecting = false; sequence = 0
        :: what == Failed && about == epoch && connecting -> LoseLink()
        :: what == Lost && about == epoch && connected -> LoseLink()
        :: else
        fi
    :: connected && SOME_QUEUED ->           /* Pump: one that waits is passed on */
        if
        :: queued[0] -> job = 0
#if JOBS > 1
        :: queued[1] -> job = 1
#endif
#if JOBS > 2
        :: queued[2] -> job = 2
#endif
        fi;
        queued[job] = false;
        assert(outcome[job] == NONE);                        /* never after its end */
        sequence++;
        ledger[job] = sequence;
        wasPassed[job] = true;
        passed[WIRE(epoch, sequence)] = job + 1
    :: !connected && !connecting && !closing && epoch < EPOCHS ->
        epoch++;
        connecting = true
    :: closing -> FinishClose(); break                       /* idle, or the deadline has come */
    od;
    mailboxClosed = true;
    AbandonLeftovers()
}

init {
    byte job = 0;
    atomic {
        if
        :: run IoThread(false)
        :: run IoThread(true)
        fi;
        run Network();
#ifndef WITHOUT_DISPOSAL
        run Disposer();
#endif
#ifndef WITHOUT_CANCELLATION
        run Token(0);
#endif
        do
        :: job < EPOCHS * JOBS -> run Broker(1 + job / JOBS, 1 + job % JOBS); job++
        :: else -> job = 0; break
        od;
        do
        :: job < JOBS -> run Caller(job); job++
        :: else -> break
        od
    }
}

/* Liveness as a formula as well: what was asked for ends. */
ltl ends { [] (holdsCredit[0] -> <> (outcome[0] != NONE)) }
