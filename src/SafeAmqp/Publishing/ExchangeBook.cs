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
/// first publish.</summary>
internal sealed class ExchangeBook(Action<string> check)
{
    /// <summary>Names kept at most; beyond it all are forgotten and checked again.</summary>
    private const int MaxNames = 4096;

    /// <summary>How long a refusal of access is remembered, so that its repetition does not close the channel each
    /// time.</summary>
    private static readonly long RefusedFor = TimeSpan.FromSeconds(1).Ticks;

    private readonly HashSet<string> _present = [];
    private readonly HashSet<string> _beingChecked = [];
    private readonly Dictionary<string, (CloseReason End, long Until)> _refused = [];

    internal ExchangeAnswer Ask(string exchange, long now, out CloseReason? refusal)
    {
        refusal = null;
        if (_refused.Count > 0 && _refused.TryGetValue(exchange, out var refused))
        {
            if (now < refused.Until)
            {
                refusal = refused.End;
                return ExchangeAnswer.Refused;
            }
            _refused.Remove(exchange);
        }
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

    /// <summary>A channel was closed over a publish to this exchange.</summary>
    internal void Learn(string exchange, CloseReason end, long now)
    {
        _present.Remove(exchange);
        if (end.Code != 403)
            return;
        _present.Add(exchange); // it exists; access is what is missing
        if (_refused.Count >= MaxNames)
            _refused.Clear();
        _refused[exchange] = (end, now + RefusedFor);
    }

    /// <summary>A new epoch: everything may have changed.</summary>
    internal void Forget()
    {
        _present.Clear();
        _beingChecked.Clear();
        _refused.Clear();
    }
}
