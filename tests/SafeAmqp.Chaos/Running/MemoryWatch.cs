using SafeAmqp.Chaos.Checking;

namespace SafeAmqp.Chaos.Running;

/// <summary>The live heap at half time and at the end, without what the account of the run itself takes.</summary>
internal sealed class MemoryWatch(RunChecker checker)
{
    private long? _half;

    internal void AtHalfTime(double part)
    {
        if (_half is null && part >= 0.5)
            _half = Live();
    }

    internal long Growth() => _half is { } half ? Live() - half : 0;

    // A call is an entry of the checker's table; its table doubles, hence the generous price.
    private long Live() => GC.GetTotalMemory(forceFullCollection: true) - checker.Messages.Bytes - checker.Calls * 64L;
}
