using SafeAmqp.Actor;

namespace SafeAmqp.Publishing;

internal enum ExchangeAnswer
{
    Present,
    Refused,
    BeingChecked,
}

/// <summary>Which exchanges are known to exist, in this epoch. A publish to a missing exchange closes its channel and
/// makes its neighbours <em>unknown</em>; so an exchange is asked for, passively and on another channel, before its
/// first publish. What the broker refused is not tried on it again: access for a while, a size until the next
/// link.</summary>
/// <param name="check">Asks the broker whether an exchange exists; <see cref="Checked"/> is told the answer.</param>
internal sealed class ExchangeBook(Action<string> check)
{
    /// <summary>Names kept at most; beyond it all are forgotten and checked again.</summary>
    private const int MaxNames = 4096;

    /// <summary>How long a refusal of access is remembered, so that its repetition does not close the channel each
    /// time.</summary>
    private static readonly long RefusedFor = TimeSpan.FromSeconds(1).Ticks;

    private readonly HashSet<string> _present = [];
    private readonly HashSet<string> _beingChecked = [];
    private readonly Dictionary<(string Exchange, string? Key), (CloseReason End, long Until)> _refused = [];
    private (long Size, CloseReason End) _largest = (long.MaxValue, CloseReason.Local(""));

    internal ExchangeAnswer Ask(AmqpMessage message, long now, out CloseReason? refusal)
    {
        refusal = message.Body.Length > _largest.Size ? _largest.End
            : _refused.Count == 0 ? null
            : StillRefused((message.Exchange, null), now) ?? StillRefused((message.Exchange, message.RoutingKey), now);
        if (refusal is not null)
            return ExchangeAnswer.Refused;
        string exchange = message.Exchange;
        if (exchange.Length == 0 || _present.Contains(exchange)) // the default exchange is always there
            return ExchangeAnswer.Present;
        if (_beingChecked.Add(exchange))
            check(exchange);
        return ExchangeAnswer.BeingChecked;
    }

    internal void Checked(string exchange, bool present)
    {
        _beingChecked.Remove(exchange);
        if (!present)
            return;
        if (_present.Count >= MaxNames)
            _present.Clear();
        _present.Add(exchange);
    }

    /// <summary>A channel was closed over this message, or over one to the same exchange.</summary>
    internal void Learn(AmqpMessage message, CloseReason end, long now)
    {
        string exchange = message.Exchange;
        if (Refusal.Sizes(end) is { } sizes)
            _largest = (sizes.Max, end);
        else
            _present.Remove(exchange);
        if (end.Code != 403)
            return;
        _present.Add(exchange); // it exists; access is what is missing
        if (_refused.Count >= MaxNames)
            _refused.Clear();
        // Where access goes by topic the key is what was refused.
        _refused[(exchange, Refusal.IsByTopic(end) ? message.RoutingKey : null)] = (end, now + RefusedFor);
    }

    /// <summary>A new epoch: everything may have changed.</summary>
    internal void Forget()
    {
        _present.Clear();
        _beingChecked.Clear();
        _refused.Clear();
        _largest.Size = long.MaxValue;
    }

    private CloseReason? StillRefused((string Exchange, string? Key) address, long now)
    {
        if (!_refused.TryGetValue(address, out var refused))
            return null;
        if (now < refused.Until)
            return refused.End;
        _refused.Remove(address);
        return null;
    }
}
