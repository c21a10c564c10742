using BenchmarkDotNet.Attributes;
using SafeAmqp.Actor;
using SafeAmqp.Owner;

namespace SafeAmqp.Benchmarks.Parts;

/// <summary>
/// What it takes to reach the I/O thread and be answered: one caller at a time, and a crowd whose answers come back in
/// one batch.
/// </summary>
[MemoryDiagnoser]
public class MailboxHop : IDisposable
{
    private readonly Mailbox _mailbox = new();
    private Thread? _thread;

    [GlobalSetup]
    public void Start()
    {
        _thread = new Thread(Answer) { IsBackground = true };
        _thread.Start();
    }

    [GlobalCleanup]
    public void Stop()
    {
        _mailbox.Close();
        _mailbox.Wake();
        _thread!.Join();
    }

    public void Dispose()
    {
        _mailbox.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public async Task Alone() => await AskAsync();

    [Benchmark(OperationsPerInvoke = 1000)]
    public async Task OneOfAHundred() => await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => Task.Run(async () =>
    {
        for (int i = 0; i < 10; i++)
            await AskAsync();
    })));

    private ValueTask AskAsync()
    {
        var question = new Question();
        _mailbox.Post(question);
        return question.Answer.Void;
    }

    private void Answer()
    {
        while (!_mailbox.IsClosed)
        {
            while (_mailbox.TryTake(out IActorMessage message))
                ((Question)message).Answer.TryComplete(true);
            _mailbox.Wait(TimeSpan.FromSeconds(1));
        }
    }

    private sealed class Question : IActorMessage
    {
        internal Completion<bool> Answer { get; } = new();
    }
}
