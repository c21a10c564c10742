namespace SafeAmqp.Testing.Transport;

/// <summary>How fast octets may pass in one direction: as fast as they can, unless a script slows them.</summary>
internal sealed class Pace(TimeProvider time)
{
    private readonly CancellationTokenSource _ended = new();
    private long _rate;

    /// <summary>Octets a second from now on; 0 is no limit.</summary>
    public void Set(long bytesPerSecond) => Volatile.Write(ref _rate, bytesPerSecond);

    /// <summary>
    /// How many of so many octets may pass at once: a twentieth of a second's, as slow means a trickle, not gushes with
    /// pauses between.
    /// </summary>
    public int Piece(int length)
    {
        long rate = Volatile.Read(ref _rate);
        return rate == 0 ? length : (int)Math.Min(length, Math.Max(1, rate / 20));
    }

    /// <summary>
    /// Waits for as long as so many octets take. More than a piece have passed only where the limit came in between.
    /// </summary>
    public async ValueTask PassedAsync(int count)
    {
        long rate = Volatile.Read(ref _rate);
        if (rate > 0)
            await Task.Delay(TimeSpan.FromSeconds((double)Piece(count) / rate), time, _ended.Token)
                .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>The socket is gone: nothing waits any more.</summary>
    public void End() => _ended.Cancel();
}
