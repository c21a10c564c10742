using System.Globalization;
using RabbitMQ.Client;
using SafeAmqp.Wire;

namespace SafeAmqp.FaultTests.Hostile;

/// <summary>
/// Frames made by grammar, right and wrong, and mutated, through the guard and what lies behind it.
/// SAFEAMQP_FUZZ_FRAMES says how many, SAFEAMQP_FUZZ_SEED where to begin; a failure names the seed of its frame's
/// generator and the frame.
/// </summary>
public sealed class GuardFuzzTests : FaultCase
{
    private const int FramesPerSeed = 10_000;

    private long _right, _wrong, _accepted, _refused, _read;

    [Fact]
    public void The_guard_takes_what_is_right_names_what_is_wrong_and_lets_nothing_pass_that_cannot_be_read()
    {
        int frames = Number("SAFEAMQP_FUZZ_FRAMES", 2_000_000), first = Number("SAFEAMQP_FUZZ_SEED", 1);
        Parallel.For(0, Math.Max(1, frames / FramesPerSeed), new ParallelOptions { CancellationToken = Cancelled }, i =>
            RunSeed(first + i));
        Figure(string.Create(CultureInfo.InvariantCulture, $"{_right + _wrong + _accepted + _refused:N0} "
            + $"frames: {_right:N0} right and taken, {_wrong:N0} wrong and named, {_accepted:N0} mutated and "
            + $"taken, {_refused:N0} mutated and refused, {_read:N0} contents read behind the guard"));
        long all = _right + _wrong + _accepted + _refused;
        Assert.True(all >= frames * 0.99);
        // None of the kinds is missing, or the run proves less than it says.
        Assert.All(
            (long[])[_right, _wrong, _accepted, _refused, _read], count => Assert.True(count > all / 50, $"{count}"));
    }

    private void RunSeed(int seed)
    {
        var grammar = new FrameGrammar(seed);
        long right = 0, wrong = 0, accepted = 0, refused = 0, read = 0;
        for (int i = 0; i < FramesPerSeed; i++)
        {
            FrameRule? expected = null;
            bool mutated = false;
            switch (grammar.Random.Next(4))
            {
                case 0: grammar.MakeRight(); break;
                case 1: expected = grammar.MakeWrong(); break;
                default:
                    grammar.MakeRight();
                    grammar.Mutate();
                    mutated = true;
                    break;
            }
            ReadOnlySpan<byte> frame = grammar.Frame;
            FrameRule? whole = Verdict(frame, frame.Length), sliced = Verdict(frame, grammar.Random.Next(1, 30));
            if (whole != sliced)
                Fail(seed, i, frame, $"whole {whole}, in slices {sliced}");
            if (!mutated && whole != expected)
                Fail(seed, i, frame, $"{whole}, not {expected}");
            if (whole is null && IsOneFrame(frame) && frame[0] == 2)
            {
                read++;
                Read(seed, i, frame);
            }
            if (!mutated)
                _ = expected is null ? right++ : wrong++;
            else
                _ = whole is null ? accepted++ : refused++;
        }
        Interlocked.Add(ref _right, right);
        Interlocked.Add(ref _wrong, wrong);
        Interlocked.Add(ref _accepted, accepted);
        Interlocked.Add(ref _refused, refused);
        Interlocked.Add(ref _read, read);
    }

    // What RabbitMQ.Client does with a content header, and what we do.
    private static void Read(int seed, int number, ReadOnlySpan<byte> frame)
    {
        try
        {
            var properties = new ReadOnlyBasicProperties(frame[(7 + 12)..^1]);
            _ = properties.ToString();
            AmqpMessage message = ContentHeader.Read(frame[(7 + 12)..^1], "", "", [], new RecentText(),
                out string? unreadable);
            _ = message.Headers?.Count; // reads them
            if (unreadable is not null)
                Fail(seed, number, frame, unreadable);
            _ = ContentHeader.Slot(frame[(7 + 12)..^1]);
        }
        catch (Exception error)
        {
            Fail(seed, number, frame, $"was let through, and: {error}");
        }
    }

    private static bool IsOneFrame(ReadOnlySpan<byte> frame)
        => frame.Length >= 8 + 14
            && System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(frame[3..]) == frame.Length - 8;

    private static FrameRule? Verdict(ReadOnlySpan<byte> bytes, int slice)
    {
        var guard = Reading.Reader(FrameGrammar.MaxFrame, FrameGrammar.MaxBody);
        try
        {
            while (!bytes.IsEmpty)
            {
                int size = Math.Min(slice, bytes.Length);
                guard.Check(bytes[..size]);
                bytes = bytes[size..];
            }
            return null;
        }
        catch (FrameViolationException refused)
        {
            return refused.Rule;
        }
    }

    private static void Fail(int seed, int number, ReadOnlySpan<byte> frame, string what)
        => throw new Xunit.Sdk.XunitException($"Seed {seed}, frame {number} ({Convert.ToHexString(frame)}): {what}");
}
