using SafeAmqp.Wire;

namespace SafeAmqp.Broker;

/// <summary>
/// Collects the frames that the owner's thread has encoded since the last flush, so that one write, and usually one
/// system call, sends them all. Only the owner's thread uses it.
/// </summary>
/// <remarks>It is flushed before each call into RabbitMQ.Client, whose frames must not overtake earlier ones.</remarks>
internal sealed class Outbox(RabbitMqLink link, ClientStream stream)
{
    /// <summary>
    /// Sent without waiting for the end of the batch: some hundred small messages, and below what the stream copies.
    /// </summary>
    private const int Enough = 48 * 1024;

    /// <summary>An idle link keeps no more than this.</summary>
    private const int KeptBytes = 64 * 1024;

    /// <summary>
    /// What may wait for the socket beyond what the stream copies: the next large message is ready when the one before
    /// it has left.
    /// </summary>
    private const int MaxLent = 2 * 1024 * 1024;

    private readonly List<Action> _afterwards = [];
    private FrameBuffer _frames = new();
    private long _lent; // bytes

    internal FrameBuffer Frames => _frames;

    /// <summary>
    /// Whether too much waits for the socket: publishing must pause until <see cref="Then"/> calls back.
    /// </summary>
    internal bool IsHeldUp => _lent > MaxLent;

    internal void FlushWhenFull()
    {
        if (_frames.Count >= Enough)
            Flush();
    }

    internal void Flush()
    {
        if (_frames.Count == 0)
            return;
        ValueTask taken = stream.SendAsync(_frames.Written);
        if (taken.IsCompleted) // it never fails
        {
            if (_frames.Count > KeptBytes)
                _frames.Release();
            else
                _frames.Clear();
            return;
        }
        FrameBuffer lent = _frames; // the stream reads from it until then
        _frames = new FrameBuffer();
        _lent += lent.Count;
        link.Then(taken.AsTask, _ => Returned(lent));
    }

    /// <summary>Calls back once the stream takes more.</summary>
    internal void Then(Action action) => _afterwards.Add(action);

    private void Returned(FrameBuffer lent)
    {
        _lent -= lent.Count;
        lent.Release();
        if (IsHeldUp)
            return;
        Action[] actions = [.. _afterwards];
        _afterwards.Clear();
        foreach (Action action in actions)
            action();
    }
}
