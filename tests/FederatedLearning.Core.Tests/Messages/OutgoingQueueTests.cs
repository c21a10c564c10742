using FederatedLearning.Messages;
using FederatedLearning.Protocol;

namespace FederatedLearning.Tests.Messages;

public sealed class OutgoingQueueTests
{
    [Fact]
    public async Task Messages_come_out_in_order_until_the_queue_is_completed_and_empty()
    {
        var queue = new OutgoingQueue();
        queue.Post(new TrainingConfig(1, 1));
        queue.Post(new GlobalModel(0, Some.Model(), Some.Config));
        queue.Post(new StartTraining(1));
        queue.Complete();
        queue.Post(new StartTraining(2));
        Assert.Equal(["training_config", "global_model", "start_training"], await TakeAll(queue));
        Assert.Null(await queue.TakeAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_waiting_reader_gets_what_comes_later_and_a_cancelled_wait_loses_nothing()
    {
        var queue = new OutgoingQueue();
        using var cancel = new CancellationTokenSource();
        var cancelled = queue.TakeAsync(cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        var waiting = queue.TakeAsync(TestContext.Current.CancellationToken).AsTask();
        queue.Post(new StartTraining(1));
        Assert.Equal(new StartTraining(1), await waiting);
    }

    [Fact]
    public void A_hundred_rounds_that_were_not_taken_leave_one_model_with_its_configuration_and_the_last_order()
    {
        var queue = new OutgoingQueue();
        queue.Post(new TrainingConfig(1, 1));
        queue.Post(new GlobalModel(0, Some.Model(), Some.Config));
        for (int round = 1; round <= 100; round++)
        {
            queue.Post(new StartTraining(round));
            queue.Post(new GlobalModel(round, Some.Model(round)));
            queue.Post(new StartEvaluation(round));
        }
        Assert.Equal(3, queue.Count);
    }

    [Fact]
    public async Task What_is_for_one_client_replaces_only_what_was_for_the_same()
    {
        var queue = new OutgoingQueue();
        queue.Post(new GlobalModel(1, Some.Model(), Some.Config) { Recipient = Some.Id(1) });
        queue.Post(new GlobalModel(1, Some.Model(), Some.Config) { Recipient = Some.Id(2) });
        queue.Post(new GlobalModel(2, Some.Model()) { Recipient = Some.Id(1) });
        queue.Post(new GlobalModel(2, Some.Model()));
        queue.Complete();
        List<GlobalModel> left = [];
        await foreach (var message in queue.TakeAllAsync(TestContext.Current.CancellationToken))
            left.Add((GlobalModel)message);
        Assert.Equal([(Some.Id(2), 1, true), (Some.Id(1), 2, true), (null, 2, false)],
            left.Select(model => (model.Recipient, model.Round, model.ModelConfig is not null)));
    }

    private static async Task<List<string>> TakeAll(OutgoingQueue queue)
    {
        List<string> types = [];
        await foreach (var message in queue.TakeAllAsync(TestContext.Current.CancellationToken))
            types.Add(message.MessageType);
        return types;
    }
}
