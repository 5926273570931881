// The CPU backend's loops over elements, rows and columns: plain code that the compiler vectorises.
//
// Shapes   As kernels/kernels.h says of the operation of the same name, which has checked them.
// Threads  Pure functions of their arguments.
#ifndef PACELINE_KERNELS_CPU_ELEMENTWISE_H_
#define PACELINE_KERNELS_CPU_ELEMENTWISE_H_

#include "kernels/kernels.h"

namespace paceline::kernels::cpu {

void AddBiasRows(ConstArray bias, Matrix rows);

// Adds row after row, so that the order of additions is the order of the rows.
void ColumnSums(ConstMatrix rows, Array sums);

void Activate(Activation activation, ConstArray input, Array output);

void ActivateBackward(Activation activation, ConstArray output, ConstArray output_gradient,
                      Array input_gradient);

void Gelu(ConstArray input, Array output);
void GeluBackward(ConstArray input, ConstArray output_gradient, Array input_gradient);

void Dropout(RandomDraw draw, ConstArray input, Array output);

void Axpy(float alpha, ConstArray x, Array y);
void Scale(float alpha, Array x);
void Add(ConstArray x, ConstArray y, Array sum);
void Fill(float value, Array x);

}  // namespace paceline::kernels::cpu

#endif  // PACELINE_KERNELS_CPU_ELEMENTWISE_H_
