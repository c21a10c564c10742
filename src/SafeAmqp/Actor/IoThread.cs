using SafeAmqp.Telemetry;
using SafeAmqp.Transport;

namespace SafeAmqp.Actor;

/// <summary>
/// The shell around an actor: the one thread that owns its link. It waits for its mailbox and its sockets at once, receives, drains the mailbox in
/// batches, feeds the actor, and never waits for the broker alone.
/// </summary>
internal sealed partial class IoThread
{
    /// <summary>Messages between two looks at what became possible: large enough to join acks and writes, small enough to answer soon.</summary>
    private const int Batch = 256;

    /// <summary>So few messages, and answers to come, are a lone caller's, who wants his next one handled soon; more come in batches, for which a thread may sleep.</summary>
    private const int Few = 2;

    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly Mailbox _mailbox = new();
    private readonly ContinuationBatch _continuations;
    private readonly Thread _thread;
    private readonly LinkEvents _events;
    private readonly Func<long, long> _onTime;
    private int _owner;
    private int _started;
    private long _begunAt = ActorClock.Never;
    private long _idle; // ticks of the waits that are over
    private long _idleSince = ActorClock.Never;

    /// <param name="name">The thread's name.</param>
    /// <param name="clock">The client's clock.</param>
    /// <param name="events">Where it reports.</param>
    /// <param name="onTime">Other deadlines that must hold even when the thread pool is starved: called with the time, answers when to be called again.</param>
    internal IoThread(string name, ActorClock clock, LinkEvents events, Func<long, long> onTime)
    {
        Clock = clock;
        _continuations = new ContinuationBatch(_mailbox, new ContinuationThread($"{name}:continuations"));
        _events = events;
        _onTime = onTime;
        _thread = new Thread(Run) { Name = name, IsBackground = true };
    }

    internal ActorClock Clock { get; }

    /// <summary>Set once, before the start.</summary>
    internal ConnectionActor Actor { get; set; } = null!;

    internal void Start()
    {
        if (Interlocked.Exchange(ref _started, 1) == 0)
            _thread.UnsafeStart(); // the context of whoever was first is not this thread's
    }

    /// <summary>How long the thread has been working: its life without its waits. For anybody, at any time.</summary>
    internal TimeSpan Busy
    {
        get
        {
            long begun = Volatile.Read(ref _begunAt), now = Clock.Now;
            if (begun == ActorClock.Never)
                return TimeSpan.Zero;
            long idle = Volatile.Read(ref _idle), since = Volatile.Read(ref _idleSince);
            return TimeSpan.FromTicks(Math.Max(0, now - begun - idle - (since == ActorClock.Never ? 0 : now - since)));
        }
    }

    /// <summary>Posts a message, from any thread.</summary>
    /// <returns>False when the thread has ended: the message was not taken.</returns>
    internal bool Post(ActorMessage message)
    {
        if (!_mailbox.Post(message))
            return false;
        if (_mailbox.IsClosed)
            AbandonLeftovers(); // it may have come in behind the last look
        return true;
    }

    /// <summary>Posts a command, or ends it at once when the thread has ended.</summary>
    internal void PostOrAbandon(ActorCommand command)
    {
        if (!Post(command))
            command.Abandon(Actor);
    }

    /// <summary>Makes the thread look at <c>onTime</c> again.</summary>
    internal void Wake() => _mailbox.Wake();

    /// <summary>Fails unless called on the owner's thread. On in every build: two threads in one channel corrupt it silently.</summary>
    internal void AssertOwner()
    {
        if (Environment.CurrentManagedThreadId != _owner)
            throw new InvalidOperationException(
                $"The link of {_thread.Name} was used by thread {Environment.CurrentManagedThreadId}. This is a bug in SafeAmqp.");
    }

    private void Run()
    {
        _owner = Environment.CurrentManagedThreadId;
        Volatile.Write(ref _begunAt, Clock.Now);
        _continuations.Attach();
        _events.ThreadStarted(_thread.Name!);
        try
        {
            int last = 0;
            while (!Actor.IsClosed)
            {
                int handled = Receive() + HandleBatch();
                long now = Clock.Now;
                Actor.Advance(now);
                long next = Math.Min(Math.Min(Actor.NextWake, _onTime(now)), _continuations.HandOut(now, Actor.Unanswered <= Few)); // before the send, which takes longer than waking a caller
                Actor.Flush();
                if (handled == 0 && next > now)
                    Wait(now, next - now, turnFirst: last <= Few && Actor.Unanswered <= Few);
                else
                    last = handled;
            }
        }
        catch (Exception error)
        {
            _events.ThreadCrashed(error);
            EndAfterCrash(error);
        }
        finally
        {
            // Closed first, then emptied: a writer that came in between empties it, too.
            _mailbox.Close();
            AbandonLeftovers();
            _continuations.Detach();
            ReceiveToTheEnd();
            _mailbox.Dispose();
        }
    }

    private void Wait(long now, long ticks, bool turnFirst)
    {
        Volatile.Write(ref _idleSince, now);
        _mailbox.Wait(WaitFor(ticks), turnFirst, Awaited());
        Volatile.Write(ref _idleSince, ActorClock.Never);
        Volatile.Write(ref _idle, _idle + Clock.Now - now);
    }

    private int HandleBatch()
    {
        int handled = 0;
        long now = Clock.Now;
        while (handled < Batch && _mailbox.TryTake(out ActorMessage message))
        {
            handled++;
            if (message is ShellStep step)
                step.Run();
            else
                Actor.Handle(message, now);
        }
        return handled;
    }

    // What the bug left behind may break the ending as well: that must not end the process.
    private void EndAfterCrash(Exception error)
    {
        try
        {
            Actor.Crash(error);
        }
        catch (Exception second)
        {
            _events.ThreadCrashed(second);
        }
    }

    private void AbandonLeftovers()
    {
        while (_mailbox.TryTake(out ActorMessage message))
        {
            if (message is ActorCommand command)
                command.Abandon(Actor);
        }
    }

    // Whole milliseconds, rounded up: the wait itself rounds down, and would return at once until the time has come.
    private static TimeSpan WaitFor(long ticks)
        => ticks >= LongestWait.Ticks ? LongestWait : TimeSpan.FromMilliseconds((ticks + TimeSpan.TicksPerMillisecond - 1) / TimeSpan.TicksPerMillisecond);
}
