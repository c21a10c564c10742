/*
 * The mailbox's lock-free spot: many writers, one reader that sleeps on a semaphore of one permit and pays for a
 * wake-up only when it sleeps. Checked for every interleaving: no message is left lying while the reader sleeps, no
 * wake-up is lost, and the semaphore is never released beyond its one permit, which would throw in a writer.
 *
 * Written after Mailbox (Post, Wake, Rouse, Wait, HasNews, StopSleeping). With TIMEOUTS the reader's wait may also end
 * by its time-out at any moment.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 2        /* of each */
#endif

byte messages;            /* in the queue */
bool sleeping;
bool woken;
byte permits;
bool asked;               /* somebody called Wake: the reader has to look at its deadlines after that */

inline Rouse() {
#ifdef MUTANT_RELEASES_ALWAYS
    permits++; assert(permits <= 1)
#else
    if
    :: sleeping ->
        d_step { was = sleeping; sleeping = false };          /* Interlocked.Exchange */
        if
        :: was -> permits++; assert(permits <= 1)
        :: else
        fi
    :: else
    fi
#endif
}

proctype Writer() {
    bool was; byte i = 0;
    do
    :: i < MESSAGES -> messages++; Rouse(); i++
    :: else -> break
    od
}

proctype Waker() {
    bool was;
    asked = true;
    woken = true;
    Rouse()
}

/* What takes the flag down releases: when a writer did, its release is on its way and must be taken. */
inline StopSleeping() {
    d_step { was = sleeping; sleeping = false };
    if
#ifdef MUTANT_LEAVES_THE_PERMIT
    :: true
#else
    :: !was -> permits > 0; permits--
    :: else
#endif
    fi
}

inline HasNews() {
    if
    :: messages > 0 -> news = true
    :: else ->
        news = woken;
        if
        :: news -> woken = false
        :: else
        fi
    fi
}

/* Nothing is left, and no writer is left to bring anything: only then may the reader sleep for ever. */
#define ALL_DONE (taken == WRITERS * MESSAGES && !asked && _nr_pr == 2)

proctype Reader() {
    byte taken = 0; bool was, news;
    do
    :: asked = false;                                          /* looks at its deadlines, then takes what is there */
        do
        :: messages > 0 -> messages--; taken++
        :: else -> break
        od;
        HasNews();
        if
        :: news
        :: else ->
            d_step { sleeping = true };
#ifdef MUTANT_NO_SECOND_LOOK
            news = false;
#else
            HasNews();
#endif
            if
            :: news -> StopSleeping()
            :: else ->
                if
                :: permits > 0 -> permits--
                :: ALL_DONE -> break
#ifdef TIMEOUTS
                :: true -> StopSleeping()
#endif
                fi;
                woken = false
            fi
        fi
    od
}

init {
    byte i = 0;
    atomic {
        run Reader();
        run Waker();
        do
        :: i < WRITERS -> run Writer(); i++
        :: else -> break
        od
    }
}
